import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { FAILPOINTS, type Failpoint } from '../../src/observe/failpoint.ts'
import { clientOf } from '../support/client.ts'
import { ofTheDay } from '../support/by-day.ts'
import { makeFailpoints, standIn, type Failpoints } from '../support/failpoints.ts'
import { Sender, type Message } from '../support/sender.ts'
import { startService, temporaryFolder, type Service } from '../support/service.ts'
import { check, type Sent } from './checker.ts'
import { readRecords } from './records.ts'

/** What a run passes from its beginning to its end. */
const POINTS = FAILPOINTS.slice(FAILPOINTS.indexOf('run.begun'), FAILPOINTS.indexOf('run.ended') + 1)
/** From here on the agent has done what it was asked for. */
const CHOSEN = ofTheDay(POINTS, 8)
const DONE = POINTS.slice(POINTS.indexOf('agent.answered'))
/** Passed by taking a thread back, not by an edit. */
const OF_UNDO: readonly Failpoint[] = ['save.checked_out']
const ENDS = new Set(['success', 'interrupted', 'superseded'])

let [folder, failpoints, service]: [string, Failpoints, Service] = ['', undefined!, undefined!]

beforeAll(async () => {
  folder = await temporaryFolder()
  failpoints = await makeFailpoints(join(folder, 'failpoints'))
  const rules = { CONCURRENCY: '1', MAX_RUNS: '8', AGENTS_KEPT: '1', INTERRUPTS_PER_MINUTE: '100000', FIRST_USER_ID: '45000' }
  service = await startService({ env: { ...rules, ...standIn, ...failpoints.env } })
})
afterAll(() => service[Symbol.asyncDispose]())

const message = (userId: string, threadId: string, name: string, more: object = {}): Message => {
  const file = { path: `${userId}-${name}.txt`, content: `of ${userId} ${name}` }
  return { userId, threadId, commandId: `${userId}-${name}`, instruction: `write ${file.path}: ${file.content}`, file, ...more }
}

const sent: Sent[] = []
const allOf = (sender: Sender) => [...sender.sent.values()]

/** Everything that was sent has one end, each as it may be; the judge hears of it at the end, once for all. */
async function settled(...senders: readonly Sender[]): Promise<void> {
  for (const sender of senders) {
    await sender.settled()
    const codes = allOf(sender).map(({ results }) => results.at(-1)?.code ?? 'success')
    expect(codes.filter((code) => !ENDS.has(code))).toEqual([])
    sent.push(...allOf(sender))
  }
}

const resultOf = (sender: Sender, name: string) =>
  allOf(sender)
    .find(({ commandId }) => commandId.endsWith(`-${name}`))
    ?.results.at(-1)

/** Begins a first message in a new workspace, holds it at a failpoint, and lets it go when `meanwhile` was told. */
async function heldAt(name: Failpoint, sender: Sender, userId: string, meanwhile: () => Promise<unknown>): Promise<void> {
  const hold = failpoints.hold(name)
  try {
    await sender.send(message(userId, 'one', 'first'))
    if (OF_UNDO.includes(name)) {
      await sender.result(`${userId}-first`)
      await sender.verb({ userId, threadId: 'one', commandId: `${userId}-undo` }, 'undo')
    }
    await hold.reached()
    await meanwhile()
  } finally {
    hold.release()
  }
}

describe('while a run is held at', () => {
  it.each(CHOSEN)('%s, a newer message of its thread, one of another and its own duplicate lose no text', async (name) => {
    const [own, other, twin] = [new Sender(() => service.url), new Sender(() => service.url), new Sender(() => service.url)]

    await heldAt(name, own, `own-${name}`, () => own.send(message(`own-${name}`, 'one', 'second')))
    await own.settled()
    const [first, second] = [resultOf(own, 'first'), resultOf(own, 'second')]
    expect(second).toMatchObject({ success: true })
    expect(first?.supersededBy).toBe(first?.code === 'superseded' ? second?.commandId : undefined)

    await heldAt(name, other, `other-${name}`, () => other.send(message(`other-${name}`, 'two', 'second')))
    await other.settled()
    expect(resultOf(other, 'second')).toMatchObject({ success: true, filesChanged: [`other-${name}-second.txt`] })

    await heldAt(name, twin, `twin-${name}`, () => Promise.all([1, 2, 3].map(() => twin.again(`twin-${name}-first`))))
    await twin.settled()
    expect(resultOf(twin, 'first')).toMatchObject({ success: true, attempt: 1, filesChanged: [`twin-${name}-first.txt`] })

    for (const sender of [own, other]) {
      if (!DONE.includes(name)) continue
      const about = allOf(sender)[0]
      const git = clientOf(service, `${sender === own ? 'own' : 'other'}-${name}`).git
      expect(await git('log', '--format=%s', 'thread-one', '--', about?.file?.path ?? '')).not.toBe('')
    }
    await settled(own, other, twin)
  })
})

describe('fifty messages a millisecond apart', () => {
  it.each([
    ['of one thread', 1],
    ['of five threads that share a lane', 5],
  ])('%s are all heard by the agent, carried out or told as interrupted', async (_, threads) => {
    const userId = `burst-${threads}`
    const sender = new Sender(() => service.url)
    const sending = []
    for (let n = 0; n < 50; n += 1) {
      sending.push(sender.send(message(userId, `t${n % threads}`, `m${n}`)))
      await new Promise((resolve) => setTimeout(resolve, 1))
    }
    await Promise.all(sending)
    await settled(sender)
    const said = await saidTo(userId)
    /** It was, or went along with one that was: by a message for another thread, which takes nothing along. */
    const interrupted = (commandId: string | undefined): boolean => {
      const result = allOf(sender)
        .find((each) => each.commandId === commandId)
        ?.results.at(-1)
      return result?.code === 'interrupted' || (result?.code === 'superseded' && interrupted(result.supersededBy))
    }
    const unheard = allOf(sender).filter(({ file, commandId }) => !said.includes(file?.content ?? '?') && !interrupted(commandId))
    expect(unheard.map(({ commandId }) => commandId)).toEqual([])
    // Nothing came that could have interrupted the one that was accepted last.
    const stories = readRecords(service.workspace).threads.filter(({ thread }) => thread.ref.userId === userId)
    const accepted = stories.flatMap(({ commands }) => commands).toSorted((a, b) => a.seq - b.seq)
    expect(accepted.at(-1)?.result).toMatchObject({ success: true })
  })
})

it('every text of all of them is on its own thread, with one end each, and every point was passed', async () => {
  expect(await check(service.workspace, { quiet: true, sent, elsewhere: /^nothing$/ })).toEqual([])
  const ends = readRecords(service.workspace).threads.flatMap(({ events }) => events.filter(({ type }) => type === 'run.ended'))
  const counted = Map.groupBy(ends, ({ commandId }) => commandId)
  expect(sent.filter(({ commandId }) => counted.get(commandId)?.length !== 1)).toEqual([])
  const passed = new Set(failpoints.passed())
  expect(CHOSEN.filter((name) => !passed.has(name))).toEqual([])
})

/** Everything that the stand-in was told in the threads of a user. */
async function saidTo(userId: string): Promise<string> {
  const sessions = readRecords(service.workspace)
    .threads.filter(({ thread }) => thread.ref.userId === userId)
    .map(({ thread }) => thread.sessionId)
  const files = (await readdir(service.workspace, { recursive: true })).filter((name) => sessions.some((session) => name.endsWith(`${session}.jsonl`)))
  return (await Promise.all(files.map((name) => readFile(join(service.workspace, name), 'utf8')))).join('\n')
}
