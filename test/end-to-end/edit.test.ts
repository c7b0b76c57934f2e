import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { clientOf, type Client } from '../support/client.ts'
import { startModel, type Model } from '../support/model.ts'
import { startService, type Service } from '../support/service.ts'

let [model, service, client]: [Model, Service, Client] = [undefined!, undefined!, undefined!]

beforeAll(async () => {
  model = await startModel()
  service = await startService({ example: true, installed: true, env: { ANTHROPIC_BASE_URL: model.url, ANTHROPIC_API_KEY: 'CANARY-model-key-7f3a' } })
  client = clientOf(service)
})
afterAll(async () => {
  await service[Symbol.asyncDispose]()
  await model[Symbol.asyncDispose]()
})

describe('an edit', () => {
  it('becomes a commit on the branch of its thread, with trailers', async () => {
    const result = await client.run('first', 'replace Fresh bread with Warm bread in src/pages/index.astro', { userEmail: 'ada@example.com' })
    expect(result).toMatchObject({ success: true, filesChanged: ['src/pages/index.astro'], branch: 'thread-first', attempt: 1 })
    expect(await client.git('show', 'thread-first:src/pages/index.astro')).toContain('Warm bread, slowly made')
    expect(await client.git('log', '-1', '--format=%H%n%an <%ae>%n%(trailers:unfold)', 'thread-first')).toBe(
      [
        result.commit,
        'Claude Code <noreply@anthropic.com>',
        'Thread-Id: first',
        `Command-Id: ${result.commandId}`,
        `Agent-Session: ${result.agentSessionId}`,
        'Requested-By: ada@example.com',
        'Outcome: completed',
      ].join('\n'),
    )
  })

  it('goes on with the conversation of its thread', async () => {
    await client.run('talk', 'my favourite colour is green')
    await client.run('talk', 'what did I say?')
    expect(JSON.stringify(model.requests.at(-1)?.messages)).toContain('my favourite colour is green')
  })

  it('that changes nothing ends with the answer and makes no commit', async () => {
    const result = await client.run('first', 'hello there')
    expect(result).toMatchObject({ success: true })
    expect(result.summary).toContain('hello there')
    expect(result.commit).toBeUndefined()
  })

  it('sees the files of its own thread only', async () => {
    await client.run('one', 'write only-one.txt: mine')
    const other = await client.run('two', 'run ls')
    expect(other.summary).not.toContain('only-one.txt')
    expect(await client.git('ls-tree', '--name-only', 'thread-two')).not.toContain('only-one.txt')
  })

  it('of mode plan changes nothing', async () => {
    const result = await client.run('plans', 'write planned.txt: no', { mode: 'plan' })
    expect(result.commit).toBeUndefined()
    expect(await client.git('ls-tree', '--name-only', 'thread-plans')).not.toContain('planned.txt')
    const after = await client.run('plans', 'write planned.txt: yes')
    expect(after.filesChanged).toEqual(['planned.txt'])
  })

  it('never shows the key to the agent', async () => {
    const result = await client.run('spy', 'run env; cat /proc/$PPID/environ | tr "\\0" "\\n"')
    expect(result.summary).toContain('CLAUDE_CONFIG_DIR')
    expect(JSON.stringify(result)).not.toContain('CANARY')
    expect(service.output()).not.toContain('CANARY')
  })
})
