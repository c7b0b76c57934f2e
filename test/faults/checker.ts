import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { isDeepStrictEqual, promisify } from 'node:util'
import type { Result } from '../../src/command/result.ts'
import type { CommandRecord } from '../../src/journal/journal.ts'
import { hunt } from './canaries.ts'
import { readRecords, readTableRecords, type Records, type TableJournal, type ThreadStory } from './records.ts'

const exec = promisify(execFile)
const git = async (repository: string, ...args: string[]): Promise<string> =>
  (await exec('git', ['-C', repository, ...args], { maxBuffer: 512 * 1024 * 1024 })).stdout

/** What a client knows of a command that it sent. */
export interface Sent {
  readonly commandId: string
  /** The service has acknowledged it. */
  accepted: boolean
  /** Every result that came back for it. */
  readonly results: Result[]
  /** What it asked to be written: one file, of a name and content that no other command has. */
  readonly file?: { readonly path: string; readonly content: string }
}

export interface CheckOptions {
  /** Everything that was accepted has had the time to end. */
  readonly quiet: boolean
  readonly sent?: readonly Sent[]
  /** A bare repository with `core.logAllRefUpdates=always` that is pushed to. */
  readonly origin?: string
  /** Secrets that must be nowhere, and what the service has written to its log. */
  readonly canaries?: readonly string[]
  readonly output?: string
  /** Where the journal lies, where that is not in the folder. */
  readonly journal?: TableJournal | undefined
  /** Files of these names are nobody's to complain about. */
  readonly elsewhere?: RegExp
}

/**
 * The one judge of all fault tests: reads journal, git, events and what clients were told, and lists what of the promises
 * is broken, by the number of the invariant. Nothing is asserted elsewhere.
 */
export async function check(root: string, options: CheckOptions): Promise<readonly string[]> {
  if (options.journal === undefined && !existsSync(join(root, '.branchline', 'journal.sqlite')))
    return options.sent?.some((sent) => sent.accepted) === true ? ['I1 the journal is gone'] : []
  const records = await delivered(root, options)
  const perThread = await Promise.all(records.threads.map((story) => threadProblems(story, options)))
  const repositories = [...new Set(records.threads.map((story) => story.repository))].filter((path) => existsSync(path))
  return [
    ...accountProblems(records, options),
    ...perThread.flat(),
    ...(await Promise.all(repositories.map(repositoryProblems))).flat(),
    ...(options.origin === undefined ? [] : await originProblems(options.origin)),
    ...(options.quiet ? await processProblems(root) : []),
    ...(await hunt(root, repositories, options.canaries ?? [], options.output ?? '')).map((where) => `I10 ${where}`),
  ]
}

/** A result is recorded a moment before it is delivered. */
async function delivered(root: string, { quiet, journal }: CheckOptions): Promise<Records> {
  for (let left = 50; ; left -= 1) {
    const records = journal === undefined ? readRecords(root) : await readTableRecords(root, journal)
    if (!quiet || records.outbox.length === 0 || left === 0) return records
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}

const LANE = new Set(['edit', 'build'])
const nameOf = ({ thread }: ThreadStory): string => `${thread.ref.userId}/${thread.ref.threadId}`

/** I1, I2: every accepted command has one end, it was delivered, and all copies of it are equal. */
function accountProblems({ threads, outbox }: Records, { quiet, sent = [] }: CheckOptions): string[] {
  const byId = new Map<string, CommandRecord[]>()
  for (const record of threads.flatMap((story) => story.commands)) {
    const { commandId } = record.command
    byId.set(commandId, [...(byId.get(commandId) ?? []), record])
  }
  const problems: string[] = []
  for (const { commandId, accepted, results } of sent) {
    const known = byId.get(commandId) ?? []
    if (accepted && known.length !== 1) problems.push(`I1 ${commandId} was accepted and is in the journal ${known.length} times`)
    const [record] = known
    for (const result of results) if (!isDeepStrictEqual(result, record?.result)) problems.push(`I2 ${commandId}: a client was told ${JSON.stringify(result)}`)
  }
  if (!quiet) return problems
  for (const record of threads.flatMap((story) => story.commands))
    if (record.state !== 'ended' || record.result === undefined) problems.push(`I1 ${record.command.commandId} is ${record.state}, attempt ${record.attempt}`)
  for (const { result } of outbox) problems.push(`I2 the result of ${result.commandId} was not delivered`)
  return problems
}

interface Commit {
  readonly sha: string
  readonly commandId: string
  readonly files: readonly string[]
}

/** I3, I4, I6, I7, I8 of one thread. */
async function threadProblems(story: ThreadStory, options: CheckOptions): Promise<string[]> {
  const { thread, repository, branch, commands } = story
  const problems = [...orderProblems(story), ...overlapProblems(story)]
  if (!existsSync(repository) || thread.base === undefined) return problems
  const log = await git(
    repository,
    'log',
    '--first-parent',
    '--format=%x01%H%x00%(trailers:key=Command-Id,valueonly,separator=)%x00',
    '--name-only',
    '-z',
    `${thread.base}..${branch}`,
    '--',
  )
  const commits = log.split('\x01').slice(1).map(commitFrom)
  const bySha = new Map(commits.map((commit) => [commit.sha, commit]))
  const byCommand = new Set(commits.map((commit) => commit.commandId))
  for (const { command, result } of commands) {
    if (result?.commit === undefined || bySha.has(result.commit)) continue
    // A push may have replayed it on top of what origin had: then it has another name there.
    if (!byCommand.has(command.commandId)) problems.push(`I6 ${command.commandId}: its commit ${result.commit} is not on ${branch}`)
  }
  problems.push(...(await contentProblems(story, commits, options)))
  if (options.quiet && existsSync(story.workTree)) problems.push(...(await leftProblems(story)))
  return problems
}

function commitFrom(entry: string): Commit {
  const [sha = '', commandId = '', ...files] = entry.split('\0')
  return { sha, commandId: commandId.trim(), files: files.map((file) => file.replace(/^\n/, '')).filter((file) => file !== '') }
}

/** I3: what changes files ends in the order of acceptance, in the journal and on the branch; what was steered into a run, with that run. */
function orderProblems(story: ThreadStory): string[] {
  const ordered = story.commands.filter(
    ({ command, result }) =>
      command.type !== 'push' && result !== undefined && result.code !== 'superseded' && result.code !== 'withdrawn' && result.joined === undefined,
  )
  return ordered.flatMap((record, at) => {
    const former = ordered[at - 1]
    return former?.endedAt !== undefined && record.endedAt !== undefined && former.endedAt > record.endedAt
      ? [`I3 ${nameOf(story)}: ${former.command.commandId} ended after ${record.command.commandId}, which came later`]
      : []
  })
}

/** I4: between the beginning and the end of a run no other begins in its thread. */
function overlapProblems(story: ThreadStory): string[] {
  const types = new Map(story.commands.map(({ command }) => [String(command.commandId), command.type]))
  const problems: string[] = []
  let open: { readonly commandId: string; readonly epoch: string } | undefined
  for (const event of story.events) {
    const { commandId = '', id, type } = event
    if (!LANE.has(types.get(commandId) ?? '')) continue
    const epoch = id.split('.')[0] ?? ''
    if (type === 'run.started') {
      if (open !== undefined && open.epoch === epoch && open.commandId !== commandId)
        problems.push(`I4 ${nameOf(story)}: ${commandId} began while ${open.commandId} ran`)
      open = { commandId, epoch }
    } else if (type === 'run.ended' && open?.commandId === commandId) open = undefined
  }
  return problems
}

/** I7 and I8: what was written is in a commit of its own thread, and in no other's. */
async function contentProblems(story: ThreadStory, commits: readonly Commit[], { sent = [], elsewhere }: CheckOptions): Promise<string[]> {
  const own = new Map(story.commands.map((record) => [String(record.command.commandId), record]))
  const committed = new Map(commits.toReversed().flatMap(({ sha, files }) => files.map((file) => [file, sha] as const)))
  const problems: string[] = []
  for (const { commandId, file } of sent) {
    if (file === undefined) continue
    const record = own.get(commandId)
    if (record === undefined) {
      if (committed.has(file.path)) problems.push(`I8 ${nameOf(story)} holds ${file.path} of another thread`)
      continue
    }
    const sha = committed.get(file.path)
    if (sha === undefined) {
      if (mustHave(record, file.path, story))
        problems.push(`I7 ${nameOf(story)}: ${file.path} of ${commandId} is in no commit (${record.result?.code ?? 'success'})`)
    } else if (
      (await git(story.repository, 'log', '-1', '--format=', '-p', '--diff-filter=AM', story.branch, '--', file.path)).includes(`+${file.content}`) === false
    )
      problems.push(`I7 ${nameOf(story)}: ${file.path} was committed with other content`)
  }
  const names = new Set(sent.map(({ file }) => file?.path))
  if (sent.length > 0 && elsewhere !== undefined)
    for (const file of committed.keys()) if (!names.has(file) && !elsewhere.test(file)) problems.push(`I8 ${nameOf(story)}: nobody asked for ${file}`)
  return problems
}

/** A command that succeeded, one that went along with a command that did, and one whose tool said that it had written. */
function mustHave({ command, result }: CommandRecord, path: string, story: ThreadStory): boolean {
  if (command.mode === 'plan' || result?.skipped?.some((skipped) => skipped.path === path) === true) return false
  if (result?.success === true) return true
  const heir = result?.supersededBy
  const next = heir === undefined ? undefined : story.commands.find((each) => each.command.commandId === heir)
  if (next !== undefined) return mustHave(next, path, story)
  const wrote = story.events.filter(
    (event) => event.type === 'tool.started' && event.commandId === command.commandId && event.tool === 'Write' && event.input.includes(command.commandId),
  )
  return wrote.some((started) =>
    story.events.some((event) => event.type === 'tool.ended' && started.type === 'tool.started' && event.toolUseId === started.toolUseId && !event.failed),
  )
}

/** I7: nothing that is not ignored lies in the work tree without being in the branch. */
async function leftProblems({ repository, workTree, branch, ...story }: ThreadStory): Promise<string[]> {
  const at = ['-C', workTree, `--git-dir=${repository}`, `--work-tree=${workTree}`]
  const env = { PATH: process.env['PATH'] ?? '', GIT_INDEX_FILE: story.index, GIT_OPTIONAL_LOCKS: '0' }
  const run = async (...args: string[]): Promise<string> => (await exec('git', [...at, ...args], { env, maxBuffer: 64 * 1024 * 1024 })).stdout
  const [changed, others] = [await run('diff', '--name-only', branch), await run('ls-files', '--others', '--exclude-standard', '--exclude=.git')]
  return [...changed.split('\n'), ...others.split('\n')]
    .filter((name) => name !== '')
    .map((name) => `I7 ${branch}: ${name} is in the work tree and in no commit`)
}

/** I5: the repository is whole, has no locks, and HEAD is a branch. */
async function repositoryProblems(repository: string): Promise<string[]> {
  const problems: string[] = []
  await git(repository, 'fsck', '--full', '--no-dangling').catch((error: Error) => problems.push(`I5 ${repository}: ${error.message}`))
  await git(repository, 'symbolic-ref', 'HEAD').catch((error: Error) => problems.push(`I5 ${repository}: ${error.message}`))
  const locks = (await readdir(repository, { recursive: true })).filter((name) => name.endsWith('.lock'))
  return [...problems, ...locks.map((lock) => `I5 ${repository}: ${lock} was left`)]
}

/** I11: branches of origin move forward only. */
async function originProblems(origin: string): Promise<string[]> {
  const logs = join(origin, 'logs', 'refs', 'heads')
  const problems: string[] = []
  for (const name of existsSync(logs) ? await readdir(logs) : []) {
    for (const line of (await readFile(join(logs, name), 'utf8')).trim().split('\n')) {
      const [before = '', after = ''] = line.split(' ')
      if (/^0+$/.test(before)) continue
      await git(origin, 'merge-base', '--is-ancestor', before, after).catch(() => problems.push(`I11 ${name} at origin went from ${before} to ${after}`))
    }
  }
  return problems
}

/** I9: only idle agents are alive, and each of them once. */
async function processProblems(root: string): Promise<string[]> {
  const problems: string[] = []
  const agents = new Map<string, number>()
  for (const pid of (await readdir('/proc').catch(() => [])).filter((name) => /^\d+$/.test(name))) {
    const environment = await readFile(`/proc/${pid}/environ`, 'latin1').catch(() => '')
    const slot = /(?:^|\0)BRANCHLINE_SLOT=([0-9a-f]+)/.exec(environment)?.[1]
    if (slot === undefined || !environment.includes(`${root}/`)) continue
    const line = (await readFile(`/proc/${pid}/cmdline`, 'latin1').catch(() => '')).replaceAll('\0', ' ')
    if (/claude|stand-in-agent/.test(line)) agents.set(slot, (agents.get(slot) ?? 0) + 1)
    else if (line !== '') problems.push(`I9 a process of slot ${slot} is alive: ${line.slice(0, 200)}`)
  }
  return [...problems, ...[...agents].filter(([, count]) => count > 1).map(([slot, count]) => `I9 slot ${slot} has ${count} agents`)]
}
