import { createServer, request, type Server } from 'node:http'
import { once } from 'node:events'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { clientOf, type Client } from '../support/client.ts'
import { startModel, type Model } from '../support/model.ts'
import { startService, type Service } from '../support/service.ts'
import { check } from './checker.ts'

const KEY = 'CANARY-model-key-7f3a91c2'
let [model, line, service, client]: [Model, Line, Service, Client] = [undefined!, undefined!, undefined!, undefined!]

beforeAll(async () => {
  model = await startModel()
  line = await startLine(model.url)
  const rules = { CONCURRENCY: '8', MAX_RUNS: '8', FIRST_USER_ID: '45000' }
  service = await startService({ env: { ...rules, ANTHROPIC_BASE_URL: line.url, ANTHROPIC_API_KEY: KEY } })
  client = clientOf(service)
})
afterAll(async () => {
  await service[Symbol.asyncDispose]()
  await line[Symbol.asyncDispose]()
  await model[Symbol.asyncDispose]()
})

interface Line extends AsyncDisposable {
  readonly url: string
  /** Keys that were shown to the model. */
  readonly shown: ReadonlySet<string>
  /** Answers to requests that hold `text` end in the middle, so many times. */
  cut(text: string, times: number): void
  /** Nothing listens any more, and what is open is broken off; resolves to what brings it back. */
  down(): Promise<() => Promise<void>>
}

/** The line between the service and the model, which can break. */
async function startLine(target: string): Promise<Line> {
  const shown = new Set<string>()
  const cuts: { text: string; left: number }[] = []
  const server: Server = createServer((incoming, outgoing) => {
    shown.add(String(incoming.headers['x-api-key']))
    const body: Buffer[] = []
    incoming.on('data', (chunk: Buffer) => body.push(chunk))
    incoming.on('end', () => {
      const whole = Buffer.concat(body)
      const cut = cuts.find(({ text, left }) => left > 0 && whole.includes(text))
      if (cut !== undefined) cut.left -= 1
      const onward = request(`${target}${incoming.url}`, { method: incoming.method, headers: incoming.headers }, (answer) => {
        outgoing.writeHead(answer.statusCode ?? 502, answer.headers)
        answer.on('data', (chunk: Buffer) => {
          outgoing.write(chunk)
          if (cut !== undefined) outgoing.destroy()
        })
        answer.on('end', () => outgoing.end())
      })
      onward.on('error', () => outgoing.destroy())
      outgoing.on('close', () => onward.destroy())
      onward.end(whole)
    })
  })
  const listen = async (port: number): Promise<number> => {
    server.listen(port, '127.0.0.1')
    await once(server, 'listening')
    const address = server.address()
    return address === null || typeof address === 'string' ? port : address.port
  }
  const close = async (): Promise<void> => {
    if (!server.listening) return
    server.close()
    server.closeAllConnections()
    await once(server, 'close')
  }
  const port = await listen(0)
  return {
    url: `http://127.0.0.1:${port}`,
    shown,
    cut: (text, times) => void cuts.push({ text, left: times }),
    down: async () => {
      await close()
      return async () => void (await listen(port))
    },
    [Symbol.asyncDispose]: close,
  }
}

const judged = async (): Promise<void> => {
  expect(await check(service.workspace, { quiet: true, canaries: [KEY], output: service.output() })).toEqual([])
}

/** Writes a file, and goes on to one whose name the model is told to fail for. */
const two = (name: string): string => `write ${name}-kept.txt: kept then run echo ${name}-${name} > ${name}-late.txt`

describe('a model that answers', () => {
  it.concurrent.each([401, 529])('%s for ever fails the command with that reason, after tries where these may help', async (status) => {
    const name = `always-${status}`
    model.fail(name, status, 1000, { after: 1 })
    const result = await client.run(name, two(name))
    expect(result).toMatchObject({ success: false, code: 'agent_failed', attempt: status === 401 ? 1 : 3 })
    expect(result.error).toContain(String(status))
    expect(await client.git('show', `thread-${name}:${name}-kept.txt`)).toBe('kept')
    expect((await client.git('ls-tree', '--name-only', `thread-${name}`)).split('\n')).not.toContain(`${name}-late.txt`)
  })

  it.concurrent.each([429, 529])('%s for a while is asked again, and the command succeeds', async (status) => {
    const name = `once-${status}`
    model.fail(name, status, 2, { after: 1 })
    expect(await client.run(name, two(name))).toMatchObject({ success: true, filesChanged: [`${name}-kept.txt`, `${name}-late.txt`] })
  })

  it.concurrent('half of what it says is asked again, and the command succeeds', async () => {
    line.cut('cut-cut', 2)
    const result = await client.run('cut', two('cut'))
    expect(result).toMatchObject({ success: true, filesChanged: ['cut-kept.txt', 'cut-late.txt'] })
  })
})

describe('a model that is down', () => {
  it('is asked again until it is back, and says so meanwhile', async () => {
    const back = await line.down()
    const id = await client.post('down', two('down'))
    await client.event('down', (event) => event.type === 'progress' && event.text.includes('The model answered 502'))
    expect(await client.run('down-too', 'a commit', { type: 'commit' })).toMatchObject({ success: true })
    await back()
    expect(await client.result(id)).toMatchObject({ success: true, attempt: 1, filesChanged: ['down-kept.txt', 'down-late.txt'] })
  })

  it('in the middle of a run keeps nobody from interrupting it; what was written is committed', async () => {
    const hold = model.hold('middle-middle', 1)
    const id = await client.post('middle', two('middle'))
    await hold.reached
    const back = await line.down()
    await client.event('middle', (event) => event.type === 'progress' && event.text.includes('The model answered 502'))
    hold.release()
    await client.call('POST', client.thread('middle', 'interrupt'))
    expect(await client.result(id)).toMatchObject({ success: false, code: 'interrupted', filesChanged: ['middle-kept.txt'] })
    await back()
    expect(await client.run('middle', 'write after.txt: after')).toMatchObject({ success: true })
    expect(await client.git('show', 'thread-middle:after.txt')).toBe('after')
  })
})

it('the key went to the model and nowhere else', async () => {
  expect([...line.shown]).toEqual([KEY])
  for (const thread of ['always-401', 'once-429', 'cut', 'down', 'middle']) {
    const history = await client.call('GET', client.thread(thread, 'history'))
    expect(JSON.stringify(history.body)).not.toContain('CANARY')
  }
  await judged()
})
