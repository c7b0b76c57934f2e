import { execFile } from 'node:child_process'
import { chmod, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import { FAILPOINTS, type Failpoint } from '../../src/observe/failpoint.ts'
import { ofTheDay } from '../support/by-day.ts'
import { makeFailpoints, standIn } from '../support/failpoints.ts'
import { keepAlive } from '../support/keeper.ts'
import { commitAll, makeRepository } from '../support/repository.ts'
import { Sender } from '../support/sender.ts'
import { startService, temporaryFolder, type Service } from '../support/service.ts'
import { check } from './checker.ts'

const exec = promisify(execFile)
const passed = new Set<string>()
/** How commands of a tour may end: nothing fails by a crash alone. */
const EXPECTED = new Set(['success', 'interrupted', 'superseded'])

/** Away from other services; each tour has a range of its own, since a run is ended by its user. */
const usersOf = (name: Failpoint): string => String(50_000 + 100 * FAILPOINTS.indexOf(name))

/** Every one is passed in every tour, and a name that is never passed fails the suite in any case. */
const HERE = FAILPOINTS.filter((name) => !/^(github|park)\./.test(name)) // those are passed in github.test.ts
const chosen = ofTheDay(HERE, 12)

describe.concurrent('a service that is killed at', () => {
  it.each(chosen)('%s finishes everything after it was started again', async (name) => {
    const folder = await temporaryFolder()
    const origin = await makeRepository(join(folder, 'origin'))
    await exec('git', ['-C', origin, 'config', 'core.logAllRefUpdates', 'always'])
    const failpoints = await makeFailpoints(join(folder, 'failpoints'))
    const env = { REPO_URL: origin, FIRST_USER_ID: usersOf(name), SPARE_AGENT: 'true', ...standIn, ...failpoints.env }
    const workspace = join(folder, 'service')
    await exec('mkdir', ['-p', workspace])
    await chmod(workspace, 0o755)
    await using service = await startService({ workspace, env })
    failpoints.kill(name)
    const sender = new Sender(() => service.url)
    {
      await using _kept = keepAlive(service)
      await tour(service, sender, origin)
      await sender.settled()
    }
    const codes = [...sender.sent.values()].map(({ results }) => results.at(-1)?.code ?? 'success')
    expect(codes.filter((code) => !EXPECTED.has(code))).toEqual([])
    expect(failpoints.armed(name), `${name} was never passed`).toBe(false)
    const problems = await check(service.workspace, { quiet: true, sent: [...sender.sent.values()], origin, elsewhere: /^elsewhere-/ })
    expect(problems, service.output().slice(-5000)).toEqual([])
    for (const each of failpoints.passed()) passed.add(each)
    await service.terminate()
    await rm(folder, { recursive: true, force: true, maxRetries: 5 })
  })
})

it('every failpoint was passed', () => {
  expect(HERE.filter((name) => !passed.has(name))).toEqual([])
})

/** One of everything: a clone, threads, edits, interrupts, undo, a file written by hand, pushes with and without a rebase, a crash, a drain. */
async function tour(service: Service, sender: Sender, origin: string): Promise<void> {
  let count = 0
  const edit = (threadId: string, then = '') => {
    const commandId = `${threadId}-${++count}`
    const file = { path: `${commandId}.txt`, content: `of ${commandId}` }
    return { userId: 'me', threadId, commandId, instruction: `write ${file.path}: ${file.content}${then}`, file }
  }
  const verb = async (threadId: string, name: string, file?: { readonly path: string; readonly content: string }): Promise<void> => {
    const commandId = `${threadId}-${name}-${++count}`
    await sender.verb({ userId: 'me', threadId, commandId }, name, file)
    await sender.result(commandId)
  }
  /** An edit that does not end by itself; a newer message interrupts it after something has happened. */
  const interrupted = async (threadId: string, meanwhile: () => Promise<unknown>): Promise<void> => {
    const gate = join(origin, '..', `${threadId}-${count}.open`)
    const slow = edit(threadId, ` then run while [ ! -e ${gate} ]; do sleep 0.05; done`)
    await sender.send(slow)
    await sender.begun(slow.commandId)
    await meanwhile()
    const newer = edit(threadId)
    await sender.send(newer)
    await writeFile(gate, '') // the newer one may have taken its text along
    await sender.result(newer.commandId)
  }

  /** An edit, and a message that is added to it while it works. */
  const steered = async (threadId: string): Promise<void> => {
    const gate = join(origin, '..', `${threadId}-${count}.steer`)
    const slow = edit(threadId, ` then run while [ ! -e ${gate} ]; do sleep 0.05; done`)
    await sender.send(slow)
    await sender.begun(slow.commandId)
    const more = { ...edit(threadId), delivery: 'steer' }
    await sender.send(more)
    await writeFile(gate, '')
    await sender.result(more.commandId)
  }

  await Promise.all([sender.send(edit('one')), sender.send(edit('two'))])
  await sender.settled()
  await interrupted('one', async () => {})
  await steered('one')
  await verb('one', 'undo')
  await verb('one', 'files', { path: 'by-hand.txt', content: 'by hand' })
  await verb('one', 'push')
  await moveOrigin(origin)
  await sender.send(edit('one'))
  await verb('one', 'push')
  await interrupted('one', async () => service.alive && service.kill())
  await interrupted('two', async () => service.alive && service.terminate())
}

async function moveOrigin(origin: string): Promise<void> {
  const tree = join(origin, '..', `elsewhere-${Math.random().toString(36).slice(2)}`)
  await exec('git', ['clone', '-q', '-b', 'thread-one', origin, tree])
  await exec('sh', ['-c', `echo from elsewhere > ${tree}/elsewhere-1.txt`])
  await commitAll(tree, 'from elsewhere')
  await exec('git', ['-C', tree, 'push', '-q', 'origin', 'thread-one'])
}
