import { execFile } from 'node:child_process'
import { createHash, randomBytes, randomInt } from 'node:crypto'
import { chmod, lstat, mkdir, readdir, readFile, readlink, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import type { Result } from '../../src/command/result.ts'
import { clientOf, type Client } from '../support/client.ts'
import { startService, temporaryFolder, type Service } from '../support/service.ts'
import { check } from './checker.ts'
import { MEANS, pointsIn, straceMissing, stride, wasStruck, type Means, type Point } from './sweep-points.ts'
import type { Order } from './sweep-strace.ts'

/*
 * The syscall sweep: while the service clones, saves or pushes, its git is broken at one of the system calls by which it changes
 * something. Whatever becomes of that command, the branch is as before or as after, no file is lost, and the next need no help.
 *
 * `npm test` takes a few points, other ones each time. SWEEP=full takes every one; SWEEP_SEED=n repeats the choice of a run.
 */
const FULL = process.env['SWEEP'] === 'full'
const SEED = Number(process.env['SWEEP_SEED'] ?? randomInt(100_000))
/** Of each way to break each kind of command. */
const POINTS = 2
/** Others than those of the other files: a thread has two, and a full sweep has thousands of threads. */
const FIRST_USER_ID = 55_000

const exec = promisify(execFile)
let [folder, service, subjects]: [string, Service, number] = ['', undefined!, 0]

/** Names of files, and of each its mode and the object that git makes of it. */
type Files = Readonly<Record<string, string>>

/** A user with one thread, and what the thread's branch and work tree have to hold. */
interface Subject {
  readonly name: string
  readonly client: Client
  readonly branch: string
  files: Files
}

interface Kind {
  readonly name: string
  readonly type: 'commit' | 'push'
  /** Brings a subject to where the command begins. */
  readonly prepare: (subject: Subject) => Promise<void>
  /** The call of git that a command makes last, after its result. */
  readonly last?: string
}

const KINDS: readonly Kind[] = [
  { name: 'cloning', type: 'commit', prepare: () => Promise.resolve() },
  { name: 'saving', type: 'commit', prepare: leaveFiles, last: 'read-tree 1' },
  {
    name: 'pushing',
    type: 'push',
    prepare: async (subject) => {
      await leaveFiles(subject)
      await succeed(subject, 'commit')
      await succeed(subject, 'commit') // with nothing to commit, but only after what the one before does behind its result
    },
  },
]

const missing = straceMissing()
describe.skipIf(missing !== undefined)(missing === undefined ? 'syscall sweep' : `syscall sweep, not here: ${missing}`, () => {
  const points = new Map<Kind, readonly Point[]>()

  beforeAll(async () => {
    folder = await temporaryFolder()
    await order(undefined)
    const preload = `--import=${new URL('sweep-strace.ts', import.meta.url).href}`
    service = await startService({ env: { NODE_OPTIONS: preload, SWEEP_ORDER: orderFile(), FIRST_USER_ID: String(FIRST_USER_ID) } })
    for (const kind of KINDS) points.set(kind, await pointsOf(kind))
    console.log(`SWEEP_SEED=${SEED}; ${KINDS.map((kind) => `${kind.name}: ${points.get(kind)?.length} points`).join(', ')}`)
  })
  afterAll(async () => {
    await service[Symbol.asyncDispose]()
    await rm(folder, { recursive: true, force: true })
  })

  describe.each(KINDS)('$name', (kind) => {
    it.each(MEANS)(
      'is as before or as after, loses nothing, and the next commands need no help, where $title',
      async (means) => {
        const possible = (points.get(kind) ?? []).filter(means.at)
        const chosen = stride(possible, FULL ? possible.length : POINTS, SEED + MEANS.indexOf(means))
        let struck = 0
        const wrong: string[] = []
        for (const point of chosen) {
          const seen = await strike(kind, means, point)
          if (seen.struck) struck += 1
          else if (FULL) console.log(`missed: git ${point.call}, ${point.syscall} ${point.nth}: ${point.line}`)
          if (seen.wrong.length === 0) continue
          const told = [`git ${point.call}, ${point.syscall} ${point.nth}: ${point.line.slice(0, 300)}`, ...seen.wrong].join('\n    ')
          if (FULL) console.log(told)
          wrong.push(told)
        }
        if (FULL) console.log(`${kind.name}, ${means.title}: ${struck} of ${chosen.length} points struck`)
        expect(wrong.join('\n')).toBe('')
        expect(struck).toBeGreaterThan(0)
      },
      FULL ? 7_200_000 : 180_000,
    )
  })

  it('leaves a workspace in which every promise holds', async () => {
    expect(await check(service.workspace, { quiet: true })).toEqual([])
  })
})

/** Lets a command run undisturbed and traces every call of git that it makes. */
async function pointsOf(kind: Kind): Promise<readonly Point[]> {
  const subject = await newSubject(kind)
  await kind.prepare(subject)
  const logs = await order({ user: subject.name })
  await succeed(subject, kind.type)
  if (kind.last !== undefined)
    await vi.waitFor(async () => {
      const log = (await readdir(logs)).find((name) => name.endsWith(` ${kind.last}`)) ?? ''
      expect(await readFile(join(logs, log), 'utf8')).toContain('+++ exited')
    }, 30_000)
  await order(undefined)
  return pointsIn(logs)
}

/** Breaks git at one point of one command, says what is wrong then, lets the service go on and says what is wrong in the end. */
async function strike(kind: Kind, means: Means, point: Point): Promise<{ readonly struck: boolean; readonly wrong: readonly string[] }> {
  const subject = await newSubject(kind)
  const { client, name } = subject
  let [logs, wrong]: [string, string[]] = ['', []]
  try {
    await kind.prepare(subject)
    const before = await tipOf(subject)
    logs = await order({ user: name, call: point.call, inject: `${point.syscall}:${means.inject}:when=${point.nth}`, dies: means.dies })
    const id = `${name}-struck`
    let result: Result | undefined
    try {
      result = await client.result(await client.post(name, 'save', { type: kind.type, commandId: id }))
      if (means.dies) await succeed(subject, 'commit') // git of a command may run when its result has come
    } catch (error) {
      if (!means.dies || !(await wasStruck(logs))) throw error
    }
    const died = means.dies && (await wasStruck(logs))
    if (died) {
      await service.kill()
      await order(undefined)
    }
    wrong.push(...(await wrongNow(subject, kind, before)).map((what) => `at once: ${what}`))
    if (died) {
      await service.restart()
      result = await client.result(id)
    }
    wrong.push(...(await wrongResult(subject, kind, result, died)))
    await succeed(subject, 'commit')
    await writeFile(join((await workTree(subject)) ?? '', 'later.txt'), 'later\n')
    subject.files = { ...subject.files, 'later.txt': (await filesIn(subject))['later.txt'] ?? '' }
    await succeed(subject, 'commit')
    await succeed(subject, 'push')
    wrong.push(...(await wrongInTheEnd(subject, kind, before)).map((what) => `in the end: ${what}`))
  } catch (error) {
    wrong.push(error instanceof Error ? error.message.slice(0, 600) : String(error))
  }
  return { struck: await wasStruck(logs), wrong }
}

async function newSubject(kind: Kind): Promise<Subject> {
  // A clone brings every branch of origin: with what a former subject pushed, git would find its objects there and write none.
  const pushed = (await git(origin(), 'for-each-ref', '--format=%(refname)', 'refs/heads/thread-*')).split('\n')
  for (const ref of pushed.filter((line) => line !== '')) await git(origin(), 'update-ref', '-d', ref)
  const name = `${kind.name}-${(subjects += 1)}`
  return { name, client: clientOf(service, name), branch: `thread-${name}`, files: await filesAt(origin(), 'main') }
}

/** The same for all subjects: the same objects are written by the same calls. */
const NOISE = randomBytes(20_000)

/** What an agent may leave in a work tree: files changed, gone, new, empty, in new folders, programs, links, of several writes. */
async function leaveFiles(subject: Subject): Promise<void> {
  await succeed(subject, 'commit')
  const tree = (await workTree(subject)) ?? ''
  await rm(join(tree, 'README.md'))
  await writeFile(join(tree, 'src/pages/index.astro'), '<h1>Stale bread</h1>\n') // as long as before, and perhaps within the same second
  await mkdir(join(tree, 'deep', 'er'), { recursive: true })
  await writeFile(join(tree, 'deep', 'er', 'a name.txt'), '')
  await writeFile(join(tree, 'random.bin'), NOISE)
  await writeFile(join(tree, 'run.sh'), '#!/bin/sh\n')
  await chmod(join(tree, 'run.sh'), 0o755)
  await symlink('nowhere', join(tree, 'link'))
  subject.files = await filesIn(subject)
}

/** A command that nothing disturbs. */
async function succeed({ client, name }: Subject, type: 'commit' | 'push'): Promise<void> {
  const { success, error, skipped } = await client.result(await client.post(name, type, { type }))
  if (!success || skipped !== undefined) throw new Error(`a later ${type} ended with: ${error ?? JSON.stringify(skipped)}`)
}

async function wrongNow(subject: Subject, kind: Kind, before: string | undefined): Promise<readonly string[]> {
  const wrong = [...(await damage(origin())), ...(await damage(subject.client.repository))]
  const tree = await workTree(subject)
  if (tree !== undefined) wrong.push(...differences('the work tree', await filesIn(subject), subject.files))
  const [tip, pushed] = [await tipOf(subject), await tipOf(subject, origin())]
  if (tip !== before) {
    const parent = kind.name === 'cloning' ? undefined : await at(subject.client.repository, `${tip}^`)
    if (kind.name === 'cloning' ? tip !== (await at(origin(), 'main')) : parent !== before) wrong.push(`the branch was at ${before} and is at ${tip}`)
    wrong.push(...differences('the branch', await filesAt(subject.client.repository, tip ?? ''), subject.files))
  }
  if (pushed !== undefined && (kind.type !== 'push' || pushed !== tip)) wrong.push(`origin has ${pushed} and the branch is at ${tip}`)
  return wrong
}

/** A result says what is so: a success has everything, a failure is one that another command may mend. */
async function wrongResult(subject: Subject, kind: Kind, result: Result | undefined, died: boolean): Promise<readonly string[]> {
  if (result === undefined) return ['there is no result']
  const { success, commit, skipped, code, error } = result
  const tip = await tipOf(subject)
  if (commit !== undefined && commit !== tip) return [`${commit} was reported and the branch is at ${tip}`]
  if (!success) return died || !['workspace_failed', 'disk_full', 'push_failed'].includes(code ?? '') ? [`it ended as ${code}: ${error}`] : []
  if (skipped !== undefined) return [`it ended well without ${JSON.stringify(skipped)}`]
  if (kind.type === 'push' && (await tipOf(subject, origin())) !== tip) return [`it ended well and origin has not ${tip}`]
  return differences('what was reported as saved', await filesAt(subject.client.repository, tip ?? ''), subject.files)
}

async function wrongInTheEnd(subject: Subject, kind: Kind, before: string | undefined): Promise<readonly string[]> {
  const { repository } = subject.client
  const tip = await tipOf(subject)
  const wrong = [...(await damage(origin())), ...(await damage(repository))]
  wrong.push(...differences('the branch', await filesAt(repository, tip ?? ''), subject.files))
  wrong.push(...differences('the work tree', await filesIn(subject), subject.files))
  if ((await tipOf(subject, origin())) !== tip) wrong.push('origin has not the commit of the last push')
  const made = await git(repository, 'rev-list', '--count', '--first-parent', `${before ?? 'main'}..${tip}`)
  if (Number(made) > 2) wrong.push(`${made} commits were made of two sets of files`)
  const slot = (await workTree(subject))?.split('/').at(-1) ?? ''
  const indexes = (await below(join(service.workspace, '.branchline', 'indexes'))).filter((path) => path.includes(slot))
  const left = [...(await below(join(repository, '..'))), ...indexes].filter((path) => /\.lock$|making/.test(path))
  wrong.push(...left.filter((path) => !path.includes('/.claude/')).map((path) => `${path} is left`)) // in there, files are written beside commands
  return wrong
}

const origin = (): string => join(service.workspace, '..', 'origin', 'origin.git')
const orderFile = (): string => join(folder, 'order.json')

/** Tells the service's git what is ordered; answers the folder of its traces, where agents of whatever user may write. */
async function order(of: Omit<Order, 'logs'> | undefined): Promise<string> {
  const logs = join(folder, `logs-${of?.user ?? ''}`)
  if (of !== undefined) {
    await mkdir(logs)
    await chmod(logs, 0o777)
  }
  await writeFile(`${orderFile()}.new`, of === undefined ? '' : JSON.stringify({ ...of, logs }))
  await rename(`${orderFile()}.new`, orderFile())
  return logs
}

const git = async (repository: string, ...args: string[]): Promise<string> => (await exec('git', ['-C', repository, ...args])).stdout.trim()
const at = (repository: string, ref: string): Promise<string | undefined> => git(repository, 'rev-parse', '--verify', '--quiet', ref).catch(() => undefined)
const tipOf = (subject: Subject, repository = subject.client.repository): Promise<string | undefined> => at(repository, `refs/heads/${subject.branch}`)
const below = (path: string): Promise<readonly string[]> =>
  readdir(path, { recursive: true, withFileTypes: true }).then((entries) => entries.map((entry) => join(entry.parentPath, entry.name)))

async function damage(repository: string): Promise<readonly string[]> {
  const there = await lstat(repository).catch(() => undefined) // not cloned yet
  if (there === undefined) return []
  return git(repository, 'fsck', '--strict', '--no-dangling', '--no-progress').then(
    () => [],
    (error: Error) => [`${repository} is damaged: ${error.message}`],
  )
}

/** The work tree of the subject's thread, once it is there as a whole. */
async function workTree({ name }: Subject): Promise<string | undefined> {
  const folderOfTrees = join(service.workspace, 'acme', name, '.worktrees', 'project')
  const [tree] = (await readdir(folderOfTrees).catch(() => [])).filter((entry) => !entry.includes('.'))
  return tree === undefined ? undefined : join(folderOfTrees, tree)
}

async function filesAt(repository: string, commit: string): Promise<Files> {
  const entries = (await git(repository, 'ls-tree', '-r', '-z', commit)).split('\0').filter((entry) => entry !== '')
  return Object.fromEntries(entries.map((entry) => [entry.slice(entry.indexOf('\t') + 1), entry.slice(0, entry.indexOf('\t')).replace(' blob', '')]))
}

async function filesIn(subject: Subject): Promise<Files> {
  const tree = (await workTree(subject)) ?? ''
  const found: Record<string, string> = {}
  const top = (await readdir(tree)).filter((name) => name !== '.git').map((name) => join(tree, name)) // the agent's git may be made anew meanwhile
  for (const path of (await Promise.all(top.map(async (each) => [each, ...(await below(each).catch(() => []))]))).flat()) {
    const about = await lstat(path)
    if (about.isDirectory()) continue
    const content = about.isSymbolicLink() ? Buffer.from(await readlink(path)) : await readFile(path)
    const mode = about.isSymbolicLink() ? '120000' : (about.mode & 0o100) === 0 ? '100644' : '100755'
    found[path.slice(tree.length + 1)] = `${mode} ${createHash('sha1').update(`blob ${content.length}\0`).update(content).digest('hex')}`
  }
  return found
}

const differences = (where: string, are: Files, should: Files): readonly string[] =>
  [...new Set([...Object.keys(are), ...Object.keys(should)])]
    .filter((path) => are[path] !== should[path])
    .map((path) => `${where} has ${path} as ${are[path]} and not as ${should[path]}`)
