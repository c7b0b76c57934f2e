import { spawnSync } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { commandHash, type Command } from '../../src/command/command.ts'
import { CommandId } from '../../src/command/ids.ts'
import { refOf, type Journal, type Saving } from '../../src/journal/journal.ts'
import { openSqliteJournal } from '../../src/journal/sqlite/open.ts'
import { command as someCommand } from '../contract/records.ts'
import { clientOf, type Client } from '../support/client.ts'
import { startModel, type Model } from '../support/model.ts'
import { startService, type Service } from '../support/service.ts'

let [model, service, client, workTree]: [Model, Service, Client, string] = [undefined!, undefined!, undefined!, '']

beforeEach(async () => {
  model = await startModel()
  service = await startService({ env: { ANTHROPIC_BASE_URL: model.url, ANTHROPIC_API_KEY: 'CANARY-model-key-7f3a' } })
  client = clientOf(service)
  await client.run('one', 'write a.txt: a')
  workTree = (await client.call('POST', '/api/init', { clientId: 'acme', userId: 'me', threadId: 'one' })).body.workspace.projectPath
  await service.kill()
})
afterEach(async () => {
  await service[Symbol.asyncDispose]()
  await model[Symbol.asyncDispose]()
})

/** What a service that was ended hard has left in the journal. */
async function left(write: (journal: Journal) => Promise<void>): Promise<void> {
  await using journal = await openSqliteJournal(join(service.workspace, '.branchline'))
  await write(journal)
}

const forged = (commandId: string, more: Partial<Command> = {}): Command => ({ ...someCommand(commandId, 'one'), ...more })

async function begun(journal: Journal, command: Command): Promise<void> {
  await journal.accept({ command, hash: await commandHash(command), way: 'http', at: Date.now(), begin: true })
}

/** A commit with the files of another, on top of the thread's. */
async function commitOf(tree: string): Promise<{ readonly commit: string; readonly before: string }> {
  const before = await client.git('rev-parse', 'thread-one')
  const commit = await client.git('-c', 'user.name=x', '-c', 'user.email=x', 'commit-tree', tree, '-p', before, '-m', 'made before the crash')
  return { commit, before }
}

describe.each(['before', 'after'] as const)('a crash %s the branch moved', (when) => {
  it('is finished with the commit that was recorded, and the work tree of a restore follows', async () => {
    const restores = await client.git('rev-parse', 'thread-one^')
    const { commit, before } = await commitOf(`${restores}^{tree}`)
    const command = forged('restore', { type: 'restore', instruction: '', delivery: 'queue' })
    const saving: Saving = {
      ending: { kind: 'completed', summary: 'Back at the start', restores },
      commit,
      before,
      subject: 'Back',
      files: ['a.txt'],
      skipped: [],
      checkout: true,
      restores,
    }
    await left(async (journal) => {
      await begun(journal, command)
      await journal.saving(refOf(command), saving)
    })
    if (when === 'after') await client.git('update-ref', 'refs/heads/thread-one', commit)
    await service.restart()
    expect(await client.result('restore')).toMatchObject({ success: true, commit, summary: 'Back at the start' })
    expect(await client.git('rev-parse', 'thread-one')).toBe(commit)
    const next = await client.run('one', 'write b.txt: b')
    expect(next.filesChanged).toEqual(['b.txt'])
  })

  it('is finished with the files of an edit, once', async () => {
    await writeFile(join(workTree, 'edited.txt'), 'edited\n')
    const blob = await client.git('hash-object', '-w', join(workTree, 'edited.txt'))
    const tree = await client.git('rev-parse', 'thread-one^{tree}')
    const listed = (await client.git('ls-tree', tree)).split('\n')
    const made = treeWith([...listed, `100644 blob ${blob}\tedited.txt`])
    const { commit, before } = await commitOf(made)
    const command = forged('edit')
    const saving: Saving = { ending: { kind: 'completed', summary: 'Edited' }, commit, before, subject: 'Edited', files: ['edited.txt'], skipped: [] }
    await left(async (journal) => {
      await begun(journal, command)
      await journal.saving(refOf(command), saving)
    })
    if (when === 'after') await client.git('update-ref', 'refs/heads/thread-one', commit)
    await service.restart()
    expect(await client.result('edit')).toMatchObject({ success: true, commit, filesChanged: ['edited.txt'] })
    expect(await client.git('rev-parse', 'thread-one')).toBe(commit)
    expect((await client.run('one', 'hello')).commit).toBeUndefined()
  })

  it('in the recovery from a first crash counts as the same one: the command goes on', async () => {
    const { commit, before } = await commitOf('thread-one^{tree}')
    const saving: Saving = { ending: { kind: 'recovered' }, commit, before, subject: 'Recovered after a crash', files: [], skipped: [] }
    await left(async (journal) => {
      await begun(journal, forged('goes-on', { instruction: 'write b.txt: b' }))
      await journal.saving(refOf(forged('goes-on')), saving)
    })
    if (when === 'after') await client.git('update-ref', 'refs/heads/thread-one', commit)
    await service.restart()
    expect(await client.result('goes-on')).toMatchObject({ success: true, filesChanged: ['b.txt'] })
    expect(await client.git('rev-parse', 'thread-one^')).toBe(commit)
  })
})

it('a command that waits and has to give way ends as interrupted after a restart, its text taken along by its heir', async () => {
  const [first, second] = [forged('first'), forged('second', { commandId: CommandId.parse('second') })]
  await left(async (journal) => {
    await begun(journal, first)
    await journal.accept({ command: second, hash: await commandHash(second), way: 'http', at: Date.now(), begin: false, interrupts: refOf(first) })
    await journal.requeue(refOf(first), { counted: false, crashed: false, note: { reason: 'shutdown' }, at: Date.now() })
  })
  await service.restart()
  expect(await client.result('first')).toMatchObject({ success: false, code: 'superseded', supersededBy: 'second' })
  expect(await client.result('second')).toMatchObject({ success: true })
  expect(JSON.stringify(model.requests.at(-1)?.messages)).toContain('do first')
})

function treeWith(entries: readonly string[]): string {
  return spawnSync('git', ['-C', client.repository, 'mktree'], { input: `${entries.join('\n')}\n`, encoding: 'utf8' }).stdout.trim()
}
