import { once } from 'node:events'
import { request } from 'node:http'
import { statSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { clientOf, type Client } from '../support/client.ts'
import { standIn } from '../support/failpoints.ts'
import { Sender } from '../support/sender.ts'
import { startService, type Service } from '../support/service.ts'
import { check } from './checker.ts'
import { readRecords } from './records.ts'

const MB = 1024 * 1024
let [service, client]: [Service, Client] = [undefined!, undefined!]

beforeAll(async () => {
  service = await startService({ env: { FIRST_USER_ID: '45000', MAX_RUNS: '4', CONCURRENCY: '4', ...standIn } })
  client = clientOf(service)
  await client.run('known', 'write a.txt: a')
})
afterAll(() => service[Symbol.asyncDispose]())

const judged = async (sender?: Sender): Promise<void> =>
  expect(await check(service.workspace, { quiet: true, sent: [...(sender?.sent.values() ?? [])] })).toEqual([])

const rss = async (): Promise<number> => (await client.call('GET', '/health')).body.memory.rssBytes

/** The most memory that a service just started has while something goes on, beyond what it had before, in MB. */
async function grown<Value>(work: () => Promise<Value>, env: Readonly<Record<string, string>> = {}): Promise<readonly [number, Value]> {
  await service.restart(env)
  const before = await rss()
  let [most, over] = [before, false]
  const looking = (async (): Promise<void> => {
    while (!over) {
      most = Math.max(most, await rss().catch(() => 0))
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  })()
  try {
    const value = await work()
    return [Math.round((most - before) / MB), value]
  } finally {
    over = true
    await looking
  }
}

describe('poison over HTTP', () => {
  const good = { clientId: 'acme', userId: 'me', threadId: 'poison', wait: false }
  const body = (more: string): string => `${JSON.stringify({ ...good, instruction: 'hello' }).slice(0, -1)}${more}}`
  const post = async (raw: string | Uint8Array<ArrayBuffer>, headers: Record<string, string> = { 'content-type': 'application/json' }) => {
    const answer = await fetch(`${service.url}/api/execute`, { method: 'POST', headers, body: raw })
    const text = await answer.text()
    return { status: answer.status, text, type: answer.headers.get('content-type') }
  }
  const deep = (open: string, close: string): string => body(`,"context":${open.repeat(100_000)}1${close.repeat(100_000)}`)

  const REFUSED: Readonly<Record<string, readonly [number, string | Uint8Array<ArrayBuffer>, string, string?]>> = {
    'a body that is cut': [400, body('').slice(0, -5), 'is not JSON'],
    'lists in lists': [400, deep('[', ']'), 'context'],
    'objects in objects': [400, deep('{"a":', '}').replace('"context":{"a"', '"instruction":{"a"'), 'instruction'],
    'a key __proto__': [400, body(',"__proto__":{"wait":true}'), '__proto__'],
    'half of a surrogate pair': [400, body(String.raw`,"instruction":"a\ud800"`), 'instruction'],
    'half of a surrogate pair as an id': [400, body(String.raw`,"commandId":"a\udfff"`), 'commandId'],
    'NUL as an escape': [400, body(String.raw`,"instruction":"a\u0000b"`), 'instruction'],
    'NUL as a byte': [400, body(',"instruction":"a\0b"'), 'is not JSON'],
    'a doubled key with a bad value at its end': [400, body(',"instruction":"one","instruction":2'), 'instruction'],
    'a form': [415, 'a=b', 'Content-Type', 'application/x-www-form-urlencoded'],
    'more than may be sent': [413, body(`,"instruction":"${'x'.repeat(21 * MB)}"`), 'at most 20 MB'],
  }
  it.each(Object.entries(REFUSED))('%s is refused with the reason, and the next message is carried out', async (name, [status, raw, reason, type]) => {
    const answer = await post(raw, { 'content-type': type ?? 'application/json' })
    expect([answer.status, answer.type]).toEqual([status, 'application/problem+json'])
    expect(JSON.parse(answer.text).error).toContain(reason)
    expect(await client.run('known', `tell ${name}`)).toMatchObject({ success: true })
  })

  it('a mark of byte order is no part of the message, and of a doubled key the last counts', async () => {
    const marked = await post(`\ufeff${body(',"commandId":"marked"')}`)
    const doubled = await post(body(',"commandId":"doubled","instruction":"write one.txt: one","instruction":"write two.txt: two"'))
    expect([marked.status, doubled.status]).toEqual([202, 202])
    expect(await client.result('doubled')).toMatchObject({ success: true, filesChanged: ['two.txt'] })
    const { body: threads } = await client.call('GET', '/api/threads/acme/me')
    expect(threads.threads.map((thread: { threadId: string }) => thread.threadId).toSorted()).toEqual(['known', 'poison'])
  })

  it('a body without a length that never ends is cut at the limit, and costs little memory', async () => {
    const [mb, answers] = await grown(() => Promise.all([1, 2, 3, 4].map(() => endless())))
    expect(answers.map((status) => status === 413 || status === 'cut')).toEqual([true, true, true, true])
    expect(mb).toBeLessThan(400)
    expect(await client.run('known', 'tell all is well')).toMatchObject({ success: true })
  })

  it('a hundred requests that never end keep nobody from being served, and the service from stopping', async () => {
    const sockets: Socket[] = []
    for (let n = 0; n < 100; n += 1) {
      const socket = raw()
      const head = `POST /api/execute HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n`
      socket.write(n % 2 === 0 ? head : `${head}Content-Length: 1000\r\n\r\n{"clientId":`)
      sockets.push(socket)
    }
    await Promise.all(sockets.map((socket) => once(socket, 'connect')))
    expect(await client.run('known', 'write served.txt: served')).toMatchObject({ success: true })
    expect(await service.terminate()).toBe(0)
    sockets.forEach((socket) => socket.destroy())
    await service.restart()
    expect(await client.run('known', 'write again.txt: again')).toMatchObject({ success: true })
    await judged()
  })
})

/** A connection without any client library. */
function raw(): Socket {
  const { hostname, port } = new URL(service.url)
  return connect(Number(port), hostname).on('error', () => {})
}

/** Sends a chunked body until it is answered, or the connection is gone. */
function endless(): Promise<number | 'cut' | undefined> {
  return new Promise((resolve) => {
    const { hostname, port } = new URL(service.url)
    const headers = { 'content-type': 'application/json' }
    const sending = request({ hostname, port, path: '/api/execute', method: 'POST', headers }, (answer) => {
      answer.resume()
      over = true
      sending.destroy()
      resolve(answer.statusCode)
    })
    let over = false
    sending.on('error', () => {
      over = true
      resolve('cut')
    })
    const piece = Buffer.alloc(64 * 1024, '[')
    const more = (): void => {
      while (!over && sending.write(piece));
      if (!over) sending.once('drain', more)
    }
    more()
  })
}

describe('duplicates', () => {
  it('of one command, fifty at once, give one run, one commit and fifty equal answers; another body under its id is refused', async () => {
    const ask = { commandId: 'fifty', instruction: 'write fifty.txt: once' }
    const all = Array.from({ length: 50 }, (_, n) => client.send('fifty', ask.instruction, { commandId: 'fifty', ...(n % 2 === 0 ? {} : { wait: false }) }))
    const others = ['write fifty.txt: twice', ''].map((instruction) =>
      client.send('fifty', instruction, { commandId: 'fifty', type: instruction === '' ? 'build' : 'edit' }),
    )
    const elsewhere = client.send('elsewhere', ask.instruction, { commandId: 'fifty', wait: false })
    const answers = await Promise.all(all)
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200, 202]))
    const results = answers.flatMap(({ body }) => (body.result === undefined ? [] : [JSON.stringify(body.result)]))
    expect([results.length >= 25, new Set(results).size]).toEqual([true, 1])
    for (const { status, body } of await Promise.all([...others, elsewhere])) expect([status, body.errors?.[0].pointer]).toEqual([409, '#/commandId'])
    expect(await client.git('log', '--format=%s', 'thread-fifty')).toBe('Wrote fifty.txt\nBegin')
    const story = readRecords(service.workspace).threads.find(({ thread }) => thread.ref.threadId === 'fifty')
    expect(story?.events.filter(({ type }) => type === 'run.started' || type === 'run.ended').map(({ type }) => type)).toEqual(['run.started', 'run.ended'])
    await judged()
  })
})

describe('what an agent says', () => {
  it.each([
    ['fifty messages of a megabyte', 'misbehave flood'],
    ['a tool that prints 50 MB', 'run yes 0123456789abcdef | head -c 52428800 # misbehave not'],
  ])('%s are cut for events and results, memory stays bounded, and others are served meanwhile', async (name, instruction) => {
    const thread = instruction.split(' ')[0] ?? ''
    const [mb, [loud, calm]] = await grown(() => Promise.all([client.run(thread, instruction), client.run('calm', `write ${thread}.txt: calm`)]))
    expect(loud, name).toMatchObject({ success: true })
    expect(calm).toMatchObject({ success: true })
    expect(JSON.stringify(loud).length).toBeLessThan(50_000)
    expect(mb).toBeLessThan(1200)
    const story = readRecords(service.workspace).threads.find((each) => each.thread.ref.threadId === thread)
    expect(JSON.stringify(story?.events).length).toBeLessThan(50_000)
    await judged()
  })
})

describe('readers of the event stream that do not read', () => {
  const silent = async (thread: string): Promise<Socket> => {
    const socket = raw()
    await once(socket, 'connect')
    socket.write(`GET ${client.thread(thread, 'events')} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`)
    await once(socket, 'readable') // the answer has begun; nothing is read of it
    return socket
  }

  it('are dropped, slow no run and cost little memory; who comes back is told of the gap', async () => {
    await client.run('babble', 'tell hello')
    const [mb, { readers, result }] = await grown(async () => ({
      readers: await Promise.all(Array.from({ length: 20 }, () => silent('babble'))),
      result: await client.run('babble', 'misbehave babble'),
    }))
    expect(result).toMatchObject({ success: true })
    expect(mb).toBeLessThan(500)
    const [reader] = readers
    const last = await readToEnd(reader)
    readers.forEach((socket) => socket.destroy())
    const ended = readRecords(service.workspace)
      .threads.find(({ thread }) => thread.ref.threadId === 'babble')
      ?.events.at(-1)
    expect(Number(last.split('.')[1])).toBeLessThan(Number(ended?.id.split('.')[1]))
    const seen = []
    for await (const event of client.events('babble', last)) {
      seen.push(event)
      if (event.id === ended?.id) break
    }
    expect(seen[0]).toMatchObject({ type: 'gap', from: last, to: seen[1]?.id })
    const numbers = seen.slice(1).map(({ id }) => Number(id.split('.')[1]))
    expect(numbers).toEqual(numbers.map((_, n) => (numbers[0] ?? 0) + n))
  })

  it('and ask for all that is kept cost little memory too', async () => {
    const [mb] = await grown(async () => {
      const readers = []
      for (let n = 0; n < 40; n += 1) readers.push(await silent('babble'))
      expect(await client.run('known', 'tell all is well')).toMatchObject({ success: true })
      readers.forEach((socket) => socket.destroy())
    })
    expect(mb).toBeLessThan(300)
    await judged()
  })
})

/** Reads a stream that was ended by the service; answers the id of its last whole event. */
async function readToEnd(socket: Socket | undefined): Promise<string> {
  let text = ''
  for await (const chunk of socket ?? []) {
    text = `${text}${String(chunk)}`.slice(-500_000)
    if (text.endsWith('0\r\n\r\n')) break
  }
  return [...text.matchAll(/^id: (\d+\.\d+)$/gm)].at(-1)?.[1] ?? ''
}

describe('attachments', () => {
  const picture = (bytes: number) => ({ name: 'a.png', mediaType: 'image/png', data: Buffer.alloc(bytes, 7).toString('base64') })
  it('at their limit are taken; one that is larger, one too many or too much of them together is refused by name', async () => {
    const most = { attachments: [1, 2, 3].map(() => picture(5_000_000)) }
    expect(await client.run('attached', 'write a.txt: a', most)).toMatchObject({ success: true, filesChanged: ['a.txt'] })
    for (const [attachments, status, reason] of [
      [[picture(5_000_010)], 400, 'attachments'],
      [Array.from({ length: 11 }, () => picture(10)), 400, 'attachments'],
      [[1, 2, 3, 4].map(() => picture(5_000_000)), 413, 'body'],
    ] as const) {
      const answer = await client.send('attached', 'write b.txt: b', { attachments })
      expect([answer.status, answer.body.error]).toEqual([status, expect.stringContaining(reason)])
    }
    await judged()
  })

  it('of messages that take one another along cost no more than what was sent', async () => {
    const gate = join(service.workspace, '..', 'attached.open')
    const files = ['journal.sqlite', 'journal.sqlite-wal'].map((name) => join(service.workspace, '.branchline', name))
    const journal = (): number => Math.round(files.reduce((sum, file) => sum + (statSync(file, { throwIfNoEntry: false })?.size ?? 0), 0) / MB)
    const before = journal()
    const [mb] = await grown(
      async () => {
        const first = await client.post('carried', `run while [ ! -e ${gate} ]; do sleep 0.05; done`)
        await client.event('carried', (event) => event.type === 'tool.started' && event.commandId === first)
        await client.post('carried', 'tell 0', { delivery: 'queue' })
        const ids = []
        for (let n = 0; n < 6; n += 1)
          ids.push(await client.post('carried', `tell ${n}`, { delivery: 'interrupt', attachments: [1, 2, 3].map(() => picture(5_000_000)) }))
        await writeFile(gate, '')
        for (const id of ids) await client.result(id)
      },
      { MIN_RUN_MS: '600000' },
    )
    expect({ memory: mb < 1000, journal: journal() - before < 2 * 6 * 20 }, `${mb} MB of memory, ${journal() - before} MB of journal`).toEqual({
      memory: true,
      journal: true,
    })
    await judged()
  })
})

it('two thousand messages for twenty threads are all accepted and ended, with bounded memory', async () => {
  const sender = new Sender(() => service.url)
  const [mb] = await grown(async () => {
    for (let n = 0; n < 100; n += 1) {
      const sending = Array.from({ length: 20 }, (_, thread) => {
        const commandId = `flood-${thread}-${n}`
        const file = { path: `${commandId}.txt`, content: `of ${commandId}` }
        const what = n % 20 === 19 ? { instruction: `write ${file.path}: ${file.content}`, file } : { instruction: `tell ${commandId}` }
        return sender.send({ userId: 'flood', threadId: `t${thread}`, commandId, ...what })
      })
      await Promise.all(sending)
    }
    await sender.settled()
  })
  const codes = [...sender.sent.values()].map(({ results }) => results.at(-1)?.code ?? 'success')
  expect(codes.filter((code) => !['success', 'interrupted', 'superseded'].includes(code))).toEqual([])
  expect(codes.filter((code) => code === 'success').length).toBeGreaterThanOrEqual(20)
  expect(mb).toBeLessThan(400)
  await judged(sender)
}, 180_000)
