import { rm } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { clientOf, type Client } from '../support/client.ts'
import { nodeForAll, noSeparateUsers } from '../support/separate.ts'
import { startService, temporaryFolder, type Service } from '../support/service.ts'

const why = noSeparateUsers()
const TOKEN = 'a-token-that-an-agent-has-found'

describe.skipIf(why !== undefined)(`an agent and the service that it works for${why === undefined ? '' : ` (skipped: ${why})`}`, () => {
  let [service, client, folder, port]: [Service, Client, string, string] = [undefined!, undefined!, '', '']

  beforeAll(async () => {
    folder = await temporaryFolder()
    // `::` takes connections of IPv4 too.
    service = await startService({ node: await nodeForAll(folder), env: { ISOLATION: 'require', HOST: '::', API_TOKEN: TOKEN, ALLOWED_HOSTS: 'localhost' } })
    port = new URL(service.url).port
    client = clientOf({ url: `http://127.0.0.1:${port}`, workspace: service.workspace, output: service.output }, 'me', TOKEN)
  })
  afterAll(async () => {
    await service[Symbol.asyncDispose]()
    await rm(folder, { recursive: true, force: true })
  })

  /** What the agent's own shell is answered: all that curl says. */
  const curl = async (args: string): Promise<string> => {
    const { summary } = await client.run('caller', `run curl -s --noproxy "*" -w "<%{http_code}>" ${args}`)
    return summary ?? ''
  }

  it.each(['127.0.0.1', 'localhost', '[::1]', '[::ffff:127.0.0.1]'])('is refused at %s, in clear words', async (host) => {
    const said = await curl(`-H "Host: localhost" "http://${host}:${port}/health"`)
    expect(said).toContain('<403>')
    expect(said).toContain('Not for agents')
    expect(said).toContain('FIRST_USER_ID')
  })

  it('is refused with a token too, and its message is not taken', async () => {
    const body = `'{"clientId":"acme","userId":"me","threadId":"planted","instruction":"write a.txt: a"}'`
    const said = await curl(`-H "Authorization: Bearer ${TOKEN}" -H "Content-Type: application/json" -d ${body} http://127.0.0.1:${port}/api/execute`)
    expect(said).toContain('<403>')
    expect(await client.git('branch', '--list', 'thread-planted')).toBe('')
  })

  it('is refused each time on a connection that stays', async () => {
    const [health, execute] = [`http://127.0.0.1:${port}/health`, `http://127.0.0.1:${port}/api/execute`]
    const said = await curl(`${health} ${health} ${execute}`)
    expect(said.match(/<\d+>/g)?.slice(-3)).toEqual(['<403>', '<403>', '<403>'])
  })

  it('is refused where it sends a message and hangs up at once', async () => {
    const body = '{"clientId":"acme","userId":"me","threadId":"dropped","instruction":"write a.txt: a","wait":false}'
    const request = [
      'POST /api/execute HTTP/1.1',
      'Host: 127.0.0.1',
      `Authorization: Bearer ${TOKEN}`,
      'Content-Type: application/json',
      `Content-Length: ${body.length}`,
      '',
      body,
    ]
    const program = `const s = require("net").connect(${port}, "127.0.0.1"); s.write(Buffer.from("${Buffer.from(request.join('\r\n')).toString('base64')}", "base64")); s.destroySoon()`
    await client.run('dropper', `run for i in 1 2 3 4 5; do node -e '${program}'; done; echo sent`)
    const { body: threads } = await client.call('GET', '/api/threads/acme/me/dropped/history')
    expect(JSON.stringify(threads)).not.toContain('write a.txt')
    expect(await client.git('branch', '--list', 'thread-dropped')).toBe('')
  })

  it('leaves everybody else served', async () => {
    expect((await client.call('GET', '/health')).status).toBe(200)
    for (const host of ['127.0.0.1', '[::1]', 'localhost']) expect((await fetch(`http://${host}:${port}/health`)).status, host).toBe(200)
  })
})
