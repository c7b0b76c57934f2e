import type { ChatCompletionRequest } from '@copilotkit/aimock'
import { spawnSync } from 'node:child_process'
import { chmod, mkdir, readFile, rm, utimes, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { findClaudeCode } from '../../src/agent/binary.ts'
import { clientOf, type Client } from '../support/client.ts'
import { startModel, type Model } from '../support/model.ts'
import { makeRepository } from '../support/repository.ts'
import { startService, temporaryFolder, type Service } from '../support/service.ts'

/** Answers what a client of the protocol asks first, and notes each of its starts in a file. */
const SERVER = `
const { appendFileSync } = require('node:fs')
appendFileSync(process.argv[3], process.argv[2] + ' ' + process.pid + '\\n')
const answers = {
  initialize: { protocolVersion: '2025-06-18', capabilities: { tools: {} }, serverInfo: { name: 'x', version: '1' } },
  'tools/list': { tools: [{ name: process.argv[2], description: 'A tool.', inputSchema: { type: 'object' } }] },
}
require('node:readline').createInterface({ input: process.stdin }).on('line', (line) => {
  const { id, method } = JSON.parse(line)
  if (id !== undefined) console.log(JSON.stringify({ jsonrpc: '2.0', id, result: answers[method] ?? {} }))
})`

let [model, service, folder, file, program]: [Model, Service, string, string, string] = [undefined!, undefined!, '', '', '']
const [trusted, other] = [() => clientOf(service, 'trusted'), () => clientOf(service, 'other')]

const put = async (path: string, text: string): Promise<string> => {
  await mkdir(dirname(path), { recursive: true })
  await writeFile(path, text, { mode: 0o644 })
  return path
}
const set = (settings: object): Promise<string> => put(file, JSON.stringify(settings))
const server = (tool: string): object => ({ command: process.execPath, args: [join(folder, 'server.cjs'), tool, join(folder, 'starts')] })
const starts = async (tool: string): Promise<readonly string[]> =>
  (await readFile(join(folder, 'starts'), 'utf8')).split('\n').filter((line) => line.startsWith(`${tool} `))

/** The requests that a message brought about. */
async function requestsOf(client: Client, thread: string, text: string): Promise<readonly ChatCompletionRequest[]> {
  const from = model.requests.length
  expect(await client.run(thread, text)).toMatchObject({ success: true })
  const requests = model.requests.slice(from)
  expect(requests.length).toBeGreaterThan(0)
  return requests
}
/** What can be used; Claude Code adds one that only keeps a place. */
const toolsOf = (requests: readonly ChatCompletionRequest[]): readonly string[] =>
  (requests[0]?.tools ?? []).map((tool) => tool.function.name).filter((name) => name !== 'DeferredToolPlaceholder')

beforeAll(async () => {
  folder = await temporaryFolder()
  file = join(folder, 'agents.json')
  await put(join(folder, 'server.cjs'), SERVER)
  await writeFile(join(folder, 'starts'), '', { mode: 0o666 })
  await chmod(join(folder, 'starts'), 0o666)
  program = await put(join(folder, 'claude'), `#!/bin/sh\nexec ${findClaudeCode()} "$@"\n`)
  await chmod(program, 0o755)
  await put(join(folder, 'skills', 'bake-bread', 'SKILL.md'), '---\nname: bake-bread\ndescription: How bread is baked here.\n---\nSlowly.\n')
  await set({ workspaces: { 'acme/trusted/project': { repositorySettings: true } } })
  const repository = await makeRepository(join(folder, 'origin'), {
    'CLAUDE.md': 'MEMORY-OF-THE-REPOSITORY',
    '.mcp.json': JSON.stringify({ mcpServers: { repository: server('repository_tool') } }),
    '.claude/settings.json': JSON.stringify({
      hooks: { PreToolUse: [{ matcher: 'Write', hooks: [{ type: 'command', command: 'echo hooked > hooked.txt' }] }] },
    }),
  })
  model = await startModel()
  service = await startService({
    env: { ANTHROPIC_BASE_URL: model.url, ANTHROPIC_API_KEY: 'x', AGENT_SETTINGS_FILE: file, CLAUDE_CODE_PATH: program, REPO_URL: repository },
  })
})
afterAll(async () => {
  await service[Symbol.asyncDispose]()
  await model[Symbol.asyncDispose]()
  await rm(folder, { recursive: true, force: true })
})

describe('settings of the repository', () => {
  it('count where the operator has said so', async () => {
    const requests = await requestsOf(trusted(), 'a', 'write a.txt: one')
    expect(JSON.stringify(requests)).toContain('MEMORY-OF-THE-REPOSITORY')
    expect(toolsOf(requests)).toContain('mcp__repository__repository_tool')
    expect(await trusted().git('show', 'thread-a:hooked.txt')).toBe('hooked')
  })

  it('and their servers stay for the next message', async () => {
    expect(toolsOf(await requestsOf(trusted(), 'a', 'write a.txt: two'))).toContain('mcp__repository__repository_tool')
    expect(await starts('repository_tool')).toHaveLength(1)
  })

  it('are inert in every other workspace', async () => {
    const requests = await requestsOf(other(), 'a', 'write a.txt: one')
    expect(JSON.stringify(requests)).not.toContain('MEMORY-OF-THE-REPOSITORY')
    expect(toolsOf(requests).toSorted()).toEqual(['AskUserQuestion', 'Bash', 'Edit', 'Glob', 'Grep', 'Read', 'TaskCreate', 'TaskUpdate', 'Write'])
    expect(await other().git('ls-tree', '--name-only', 'thread-a')).not.toContain('hooked.txt')
    expect(await starts('repository_tool')).toHaveLength(1)
  })
})

describe('settings of the operator', () => {
  it('reach the next message of a warm thread, whose conversation goes on', async () => {
    await set({
      default: {
        model: 'claude-sonnet-4-5',
        systemPrompt: 'WORDS-OF-THE-OPERATOR',
        skills: join(folder, 'skills'),
        tools: ['Read', 'Write', 'Bash', 'TodoWrite'],
      },
      workspaces: { 'acme/other/project': { mcpServers: { operator: server('operator_tool') } } },
    })
    const requests = await requestsOf(other(), 'a', 'write b.txt: two')
    expect(requests[0]?.model).toBe('claude-sonnet-4-5')
    expect(toolsOf(requests)).toEqual(expect.arrayContaining(['Read', 'Write', 'Bash', 'Skill', 'mcp__operator__operator_tool']))
    expect(toolsOf(requests)).not.toContain('Edit')
    const sent = JSON.stringify(requests)
    expect(sent).toContain('WORDS-OF-THE-OPERATOR')
    expect(sent).toContain('operator:bake-bread')
    expect(sent).toContain('write a.txt: one')
  })

  it('and stay with its agent, which is not started anew for them', async () => {
    const requests = await requestsOf(other(), 'a', 'write b.txt: three')
    expect(toolsOf(requests)).toContain('mcp__operator__operator_tool')
    expect(await starts('operator_tool')).toHaveLength(1)
  })

  it('hold as before where the file cannot be used any more', async () => {
    await put(file, '{"default": {')
    expect(toolsOf(await requestsOf(other(), 'a', 'write b.txt: four'))).toContain('mcp__operator__operator_tool')
    expect(await starts('operator_tool')).toHaveLength(1)
    expect(service.output()).toContain('agent_settings.not_read')
  })

  it('are taken back', async () => {
    await set({})
    const requests = await requestsOf(other(), 'a', 'write b.txt: five')
    expect(toolsOf(requests).toSorted()).toEqual(['AskUserQuestion', 'Bash', 'Edit', 'Glob', 'Grep', 'Read', 'TaskCreate', 'TaskUpdate', 'Write'])
    expect(JSON.stringify(requests)).not.toContain('WORDS-OF-THE-OPERATOR')
  })
})

it('another version of Claude Code is used for the next message, whose conversation goes on', async () => {
  const process = async (): Promise<string> => /^\d+$/m.exec((await other().run('a', 'run echo $PPID')).summary)?.[0] ?? ''
  const before = await process()
  expect(before).not.toBe('')
  expect(await process()).toBe(before)
  await utimes(program, new Date(), new Date(0))
  const requests = await requestsOf(other(), 'a', 'write b.txt: six')
  expect(JSON.stringify(requests)).toContain('write a.txt: one')
  expect(await process()).not.toBe(before)
})

it('the service does not start with settings that are wrong, and names all of them', async () => {
  const wrong = await put(join(folder, 'wrong.json'), JSON.stringify({ default: { model: 1 }, workspaces: { 'a/b/c': { tools: ['Bsh'] } }, more: 1 }))
  const main = fileURLToPath(new URL('../../src/main.ts', import.meta.url))
  const env = { PATH: process.env['PATH'] ?? '', HOME: folder, PORT: '0', WORKSPACE_PATH: join(folder, 'w'), AGENT_SETTINGS_FILE: wrong }
  const { status, stdout, stderr } = spawnSync(process.execPath, [main], { env, encoding: 'utf8' })
  expect(status).not.toBe(0)
  for (const name of ['default.model: must be', 'workspaces.a/b/c.tools.0: must be', 'more']) expect(`${stdout}${stderr}`).toContain(name)
})
