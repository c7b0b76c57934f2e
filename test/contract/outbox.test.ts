import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { Outbox } from '../../src/engine/outbox.ts'
import { refOf } from '../../src/journal/journal.ts'
import { openSqliteJournal } from '../../src/journal/sqlite/open.ts'
import { openLog } from '../../src/observe/log.ts'
import { acceptance, command, result } from './records.ts'

it('results of one thread that take long hold up no other, and stay in order', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'branchline-outbox-'))
  await using journal = await openSqliteJournal(folder)
  const [slow, arrived] = [Promise.withResolvers<void>(), new Array<string>()]
  const deliver = async ({ result: { commandId } }: { readonly result: { readonly commandId: string } }): Promise<void> => {
    if (commandId === 'slow') await slow.promise
    arrived.push(commandId)
  }
  const outbox = new Outbox(
    journal,
    { http: deliver, sqs: deliver, github: deliver },
    openLog('silent', (text) => text),
  )
  outbox.start()
  const end = async (id: string, thread: string, way: 'http' | 'github'): Promise<void> => {
    const of = command(id, thread, { delivery: 'queue' })
    await journal.accept(await acceptance(of, way === 'http' ? {} : { way, reply: { way, from: 'acme/site', to: 'there', id } }))
    await journal.begin(refOf(of), 1)
    await journal.end(refOf(of), result(of))
    outbox.ring()
  }
  await end('slow', 'one', 'github')
  await end('behind', 'one', 'github')
  await end('other', 'two', 'github')
  await end('asked', 'one', 'http')
  await expect.poll(() => arrived).toEqual(['other', 'asked'])
  slow.resolve()
  await expect.poll(() => arrived).toEqual(['other', 'asked', 'slow', 'behind'])
  expect(await journal.outboxSize()).toBe(0)
  await outbox[Symbol.asyncDispose]()
  await rm(folder, { recursive: true })
})
