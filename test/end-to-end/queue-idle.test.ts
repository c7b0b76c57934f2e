import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { clientOf } from '../support/client.ts'
import { branchline } from '../support/command-line.ts'
import { startModel, type Model } from '../support/model.ts'
import { startQueueServer, type QueuePair, type QueueServer } from '../support/queue-server.ts'
import { talkBy, WORKER } from '../support/queue-talk.ts'
import { startService, type ServiceOptions } from '../support/service.ts'

/** Two seconds. */
const SOON = '0.034'

let [model, queues]: [Model, QueueServer] = [undefined!, undefined!]
beforeAll(async () => {
  ;[model, queues] = [await startModel(), await startQueueServer()]
})
afterAll(async () => {
  for (const each of [model, queues]) await each[Symbol.asyncDispose]()
})

let count = 0
async function worker(env: Readonly<Record<string, string>>, more: ServiceOptions = {}) {
  // A poll that was broken off may take a message along for that long.
  const pair = await queues.createPair(`idle-${(count += 1)}`, { visibilitySeconds: 1 })
  const start = () =>
    startService({
      ...more,
      env: {
        ...WORKER,
        ...queues.env,
        INPUT_QUEUE_URL: pair.input,
        OUTPUT_QUEUE_URL: pair.output,
        ANTHROPIC_BASE_URL: model.url,
        ANTHROPIC_API_KEY: 'CANARY-model-key-7f3a',
        ...env,
      },
    })
  return { pair, talk: talkBy(queues.client, pair), start }
}

describe('a service that has nothing to do', () => {
  it('saves what lies in work trees, pushes where it is told to, and ends with exit code 0', async () => {
    const { talk, start } = await worker({ AUTO_SHUTDOWN_MINUTES: '0.1', PUSH_ON_SHUTDOWN: 'all' })
    await using service = await start()
    const { commit } = await talk.run('saved', 'write a.txt: A')
    const { body } = await clientOf(service).call('POST', '/api/init', { clientId: 'acme', userId: 'me', threadId: 'saved' })
    await writeFile(join(body.workspace.projectPath, 'by-hand.txt'), 'by hand')
    expect(await service.ended).toBe(0)
    const git = clientOf(service).git
    expect(await git('log', '--format=%s', 'thread-saved', '^main')).toMatch(/^Saved before the service ended\n/)
    expect(await git('show', 'thread-saved:by-hand.txt')).toBe('by hand')
    expect(await git('ls-remote', 'origin', 'refs/heads/thread-saved')).toContain(await git('rev-parse', 'thread-saved'))
    expect(await git('merge-base', '--is-ancestor', commit ?? '', 'thread-saved')).toBe('')
  })

  it('does not end with a run, a command that waits, or a result that has not arrived', async () => {
    const { pair, talk, start } = await worker({ AUTO_SHUTDOWN_MINUTES: SOON })
    const held = model.hold('not idle')
    const command = await talk.send('busy', 'write a.txt: not idle')
    await using service = await start()
    await held.reached
    await quietly(service, 10)
    expect(service.alive).toBe(true)
    await queues.kill() // the result cannot arrive
    held.release()
    await expect.poll(() => service.output()).toMatch(/"event":"result.undelivered"/)
    await quietly(service, 10)
    expect(service.alive).toBe(true)
    await queues.restart()
    expect(await talk.result(command)).toMatchObject({ success: true })
    expect(await service.ended).toBe(0)
    expect(await queues.counts(pair.input)).toEqual({ visible: 0, inFlight: 0 })
  })

  it('a message that comes at the last moment is taken, and one that comes later is there for the next start', async () => {
    const { talk, start } = await worker({ AUTO_SHUTDOWN_MINUTES: SOON })
    await using service = await start()
    expect(await service.ended).toBe(0)
    const command = await talk.send('woken', 'write a.txt: A')
    await service.restart()
    expect(await talk.result(command)).toMatchObject({ success: true })
    expect(await service.ended).toBe(0)
  })
})

/** Enough time to end by mistake; it is asked whether the service is well as often as it looks whether it is idle. */
async function quietly(service: { readonly url: string }, rounds: number): Promise<void> {
  for (let round = 0; round < rounds; round += 1) {
    await fetch(`${service.url}/health`)
    await new Promise((resolve) => setTimeout(resolve, 300))
  }
}

describe('without a port', () => {
  it('messages come by queues, and branchline health says how it is', async () => {
    const { talk, start } = await worker({ PORT: 'off' })
    await using service = await start()
    expect(service.output()).toContain('is ready for messages from queues')
    const health = () => branchline(['health'], { WORKSPACE_PATH: service.workspace })
    expect(await talk.run('no-port', 'hello')).toMatchObject({ success: true })
    await expect.poll(async () => (await health()).out).toMatch(/^healthy; 1 queue, 1 polled, last answer \d+ s ago\n$/)
    await service.kill()
    expect(await health()).toMatchObject({ code: 1, out: expect.stringContaining('does not run') })
    await service.restart()
  })

  it('start:legacy serves HTTP alone, whatever queues are set', async () => {
    const { pair, talk, start } = await worker({}, { args: ['--http-only'] })
    await using service = await start()
    await talk.send('legacy', 'hello')
    expect(await clientOf(service).run('legacy', 'hello')).toMatchObject({ success: true })
    expect(await queues.counts(pair.input)).toEqual({ visible: 1, inFlight: 0 })
  })
})

it('ECS is asked to leave the task alone while a run is active, and told when it is over', async () => {
  const asked: { readonly path: string; readonly body: any }[] = []
  const agent = createServer((request, answer) => {
    void request
      .setEncoding('utf8')
      .toArray()
      .then((chunks) => {
        asked.push({ path: `${request.method} ${request.url}`, body: JSON.parse(chunks.join('')) })
        answer.writeHead(200, { 'content-type': 'application/json' }).end('{}')
      })
  })
  agent.listen(0, '127.0.0.1')
  await once(agent, 'listening')
  const address = agent.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  try {
    const { talk, start } = await worker({ ECS_AGENT_URI: `http://127.0.0.1:${port}/api/x` })
    await using _service = await start()
    const held = model.hold('protected')
    const command = await talk.send('protected', 'write a.txt: protected')
    await held.reached
    await expect.poll(() => asked).toEqual([{ path: 'PUT /api/x/task-protection/v1/state', body: { ProtectionEnabled: true, ExpiresInMinutes: 30 } }])
    held.release()
    await talk.result(command)
    await expect.poll(() => asked.at(-1)?.body).toEqual({ ProtectionEnabled: false })
  } finally {
    agent.close()
  }
})

describe('the service of ECS that runs it', () => {
  /** ECS, as far as it is told how many tasks there are to be; `meanwhile` happens before it answers. */
  async function ecs(meanwhile: () => Promise<void> = async () => {}) {
    const asked: unknown[] = []
    const hear = async (request: IncomingMessage, answer: ServerResponse): Promise<void> => {
      asked.push(JSON.parse((await request.setEncoding('utf8').toArray()).join('')))
      await meanwhile()
      answer.writeHead(200, { 'content-type': 'application/x-amz-json-1.1' }).end('{"service":{}}')
    }
    const server = createServer((request, answer) => void hear(request, answer))
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const address = server.address()
    const url = `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`
    return { asked, env: { ECS_CLUSTER: 'sites', ECS_SERVICE: 'acme', AWS_ENDPOINT_URL_ECS: url }, [Symbol.dispose]: () => server.close() }
  }
  const told = (desiredCount: number) => ({ cluster: 'sites', service: 'acme', desiredCount })

  it('is told that no task is wanted any more when it ends for want of work', async () => {
    using service = await ecs()
    const { start } = await worker({ AUTO_SHUTDOWN_MINUTES: SOON, ...service.env })
    await using container = await start()
    expect(await container.ended).toBe(0)
    expect(service.asked).toEqual([told(0)])
  })

  it('is asked for a task again where a message has come just before it was told', async () => {
    let late: Promise<string> | undefined
    let sender = async (): Promise<string> => ''
    using service = await ecs(async () => void (await (late ??= sender())))
    const { talk, start } = await worker({ AUTO_SHUTDOWN_MINUTES: SOON, ...service.env })
    sender = () => talk.send('late', 'write a.txt: A')
    await using container = await start()
    expect(await container.ended).toBe(0)
    expect(service.asked).toEqual([told(0), told(1)])
    await container.restart()
    expect(await talk.result((await late) ?? '')).toMatchObject({ success: true })
  })
})

describe('QUEUE_ACK=result', () => {
  it('keeps a message until its result is sent, so that another container without the journal does it', async () => {
    const { pair, talk, start } = await worker({ QUEUE_ACK: 'result', INTERRUPT_GRACE_MS: '100' })
    const held = model.hold('kept in the queue')
    const command = await talk.send('kept', 'write kept.txt: kept in the queue')
    {
      await using _first = await start()
      await held.reached
      expect(await queues.counts(pair.input)).toEqual({ visible: 0, inFlight: 1 })
    } // stopped: it gives the message back; its workspace is gone
    held.release()
    await using _second = await start()
    expect(await talk.result(command)).toMatchObject({ success: true, attempt: 1 })
    await expect.poll(() => queues.counts(pair.input)).toEqual({ visible: 0, inFlight: 0 })
  })

  it('is refused for a FIFO queue, with the reason', async () => {
    const { input, output }: QueuePair = await queues.createPair('refused', { fifo: true })
    const env = { ...WORKER, ...queues.env, INPUT_QUEUE_URL: input, OUTPUT_QUEUE_URL: output, QUEUE_ACK: 'result' }
    await expect(startService({ env })).rejects.toThrow('QUEUE_ACK: must be recorded for a FIFO queue')
  })
})
