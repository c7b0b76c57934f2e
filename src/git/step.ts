import { createHash } from 'node:crypto'
import type { Found } from '../process/walk-file.ts'
import type { Sha } from './branch.ts'
import { formatMessage, type Author, type Message } from './commit.ts'
import { git } from './git.ts'

/** Steps lie apart from branches, so no log, fetch or push of branches shows them. */
const STEPS = 'refs/checkpoints'
const MODES = { file: '100644', executable: '100755', link: '120000' } as const

/** Mode and object name of a file as an index lists them. SHA-1, as every repository of ours. */
export const objectOf = ({ kind, content }: Found): string =>
  `${MODES[kind]} ${createHash('sha1').update(`blob ${content.length}\0`).update(content).digest('hex')}`

/**
 * Names that `git update-index` refuses and `git fast-import` does not look at: what some file system takes for `.git`. Those that
 * git reads by itself are left out of steps too, since nobody looks whether other repositories would receive them.
 */
export const takesName = (name: string): boolean =>
  Buffer.from(name, 'latin1')
    .toString('utf8')
    .replaceAll(/[\u200c-\u200f\u202a-\u202e\u206a-\u206f\ufeff]/g, '')
    .toLowerCase()
    .split(/[\\/]/)
    .every((part) => !/^(\.git|\.gitmodules|git~\d|gitmod~\d)[ .]*(:.*)?$/s.test(part))

/** How a file differs from the step before. */
export interface StepChange {
  readonly name: Buffer
  readonly found: Found | 'gone'
}

/**
 * Makes a commit on top of `parent` and a ref for it, `refs/checkpoints/{thread}/{run}/{n}`, in one call of git. The content is
 * handed over, so git reads nothing in a work tree that somebody is changing meanwhile.
 */
export async function commitStep(
  gitDir: string,
  { thread, run, n, parent }: { readonly thread: string; readonly run: string; readonly n: number; readonly parent: Sha },
  changes: readonly StepChange[],
  { message, author, timeoutMs }: { readonly message: Message; readonly author: Author; readonly timeoutMs: number },
): Promise<Sha> {
  const ref = `${STEPS}/${thread}/${run}/${n}`
  const who = `${named(author.name)} <${named(author.email)}> ${Math.floor(Date.now() / 1000)} +0000`
  const parts = [
    line(`commit ${ref}`),
    line('mark :1'),
    line(`author ${who}`),
    line(`committer ${who}`),
    data(Buffer.from(formatMessage(message))),
    line(`from ${parent}`),
  ]
  for (const { name, found } of changes.toSorted((a, b) => Number(a.found !== 'gone') - Number(b.found !== 'gone'))) {
    if (found === 'gone') parts.push(Buffer.concat([Buffer.from('D '), quoted(name), Buffer.from('\n')]))
    else parts.push(Buffer.concat([Buffer.from(`M ${MODES[found.kind]} inline `), quoted(name), Buffer.from('\n')]), data(found.content))
  }
  const input = Buffer.concat([...parts, line('get-mark :1'), line('done')])
  return (await git(['fast-import', '--quiet', '--done', '--date-format=raw'], { gitDir, input, timeoutMs })).text
}

const line = (text: string): Buffer => Buffer.from(`${text}\n`)
const data = (content: Buffer): Buffer => Buffer.concat([line(`data ${content.length}`), content, Buffer.from('\n')])
const named = (text: string): string => text.replaceAll(/[<>\n\0]/g, '')

/** A path as fast-import takes it: C-style quotes, every byte that is not plain as three octal digits. */
function quoted(name: Buffer): Buffer {
  const shown = [...name].map((byte) =>
    byte < 0x20 || byte >= 0x7f || byte === 0x22 || byte === 0x5c ? `\\${byte.toString(8).padStart(3, '0')}` : String.fromCharCode(byte),
  )
  return Buffer.from(`"${shown.join('')}"`)
}

export interface Step {
  readonly commit: Sha
  readonly subject: string
  readonly commandId: string
  readonly run: string
  readonly n: number
  /** ms since the epoch. */
  readonly at: number
}

/** The steps of a thread that are kept, oldest first. */
export async function stepsOf(gitDir: string, thread: string): Promise<readonly Step[]> {
  const format = '%(objectname) %(committerdate:unix) %(refname:lstrip=3) %(contents:trailers:key=Command-Id,valueonly,separator=) %(contents:subject)'
  const { text } = await git(['for-each-ref', `--format=${format}`, `${STEPS}/${thread}/`], { gitDir })
  const steps = text.split('\n').flatMap((each): Step[] => {
    const [, commit, at, run, n, commandId, subject] = /^(\S+) (\d+) ([^/\s]+)\/(\d+) (\S*) (.*)$/.exec(each) ?? []
    return commit === undefined || run === undefined
      ? []
      : [{ commit, subject: subject ?? '', commandId: commandId ?? '', run, n: Number(n), at: Number(at) * 1000 }]
  })
  return steps.toSorted((a, b) => a.run.localeCompare(b.run, 'en', { numeric: true }) || a.n - b.n)
}

/** Forgets the steps of all threads that were taken before `time`, in ms since the epoch. */
export async function pruneSteps(gitDir: string, time: number): Promise<void> {
  const { text } = await git(['for-each-ref', '--format=%(committerdate:unix) %(refname) %(objectname)', `${STEPS}/`], { gitDir })
  const old = text.split('\n').filter((line) => line !== '' && Number(line.slice(0, line.indexOf(' '))) * 1000 < time)
  if (old.length === 0) return
  const input = old.map((line) => `delete ${line.slice(line.indexOf(' ') + 1)}\n`).join('')
  await git(['update-ref', '--stdin'], { gitDir, input })
}
