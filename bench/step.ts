import { execFile } from 'node:child_process'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { Steps } from '../src/engine/steps.ts'
import type { Thread } from '../src/engine/thread.ts'
import type { Tools } from '../src/engine/tools.ts'
import { git } from '../src/git/git.ts'
import { createRepository } from '../src/git/repository.ts'
import type { CommandRecord } from '../src/journal/journal.ts'
import { temporaryFolder } from '../test/support/service.ts'
import { inTurns, timed, type Subject } from './support.ts'

const exec = promisify(execFile)
const ROUNDS = 15
const FILES = 2000
const AUTHOR = { name: 'Bench', email: 'bench@example.com' }

/** What the agent waits for after a tool that changed a file, and after one that did not, on a site of 2,000 files. */
export const step: Subject<'changed' | 'unchanged'> = {
  figures: {
    changed: { name: 'checkpoint after a tool that changed a file of 2,000, against git add -A and git stash create', unit: 'ms', goal: 2 },
    unchanged: { name: 'the same after a tool that changed none, against git status', unit: 'ms', goal: 3 },
  },
  async measure() {
    await using parts = new AsyncDisposableStack()
    const folder = await temporaryFolder()
    parts.defer(() => rm(folder, { recursive: true, force: true }))
    const [source, gitDir, workTree, bare] = ['source', 'repository', 'tree', 'bare'].map((name) => join(folder, name)) as [string, string, string, string]
    for (let n = 0; n < FILES; n += 1) {
      const below = join(source, 'src', 'pages', String(n % 50))
      await mkdir(below, { recursive: true })
      await writeFile(join(below, `${n}.md`), `# Page ${n}\n${'Fresh bread every morning.\n'.repeat(40)}`)
    }
    await createRepository(gitDir, { kind: 'files', folder: source }, { author: AUTHOR, onProgress: () => {} })
    const checkout = { gitDir, workTree, indexFile: join(folder, 'index') }
    await mkdir(workTree)
    await git(['read-tree', '-u', '--reset', 'main'], checkout)
    await exec('git', ['clone', '-q', gitDir, bare])

    const record = { command: { threadId: 'bench', commandId: 'bench' }, seq: 1, attempt: 1 } as unknown as CommandRecord
    const thread = {
      ref: { threadId: 'bench' },
      names: { thread: 'bench' },
      home: { checkout, branch: 'main', paths: { repository: gitDir, workTree } },
    } as unknown as Thread
    const tools = { journal: { epoch: 1 }, author: AUTHOR, redact: (text: string) => text, holdsSecret: () => false, log: console } as unknown as Tools
    const steps = new Steps(record, thread, tools)
    const use = { when: 'after', tool: 'Edit', input: { file_path: 'page' } } as const
    const change = (at: string, round: number): Promise<void> => writeFile(join(at, 'src', 'pages', '7', '7.md'), `# Changed in round ${round}\n`)
    const inBare = (...args: string[]): Promise<unknown> => exec('git', ['-C', bare, '-c', 'user.name=x', '-c', 'user.email=x', ...args])

    const times = await inTurns(ROUNDS, {
      changed: async (round) => {
        await change(workTree, round)
        return timed(() => steps.note(use))
      },
      stash: async (round) => {
        await change(bare, round)
        return timed(async () => {
          await inBare('add', '-A')
          await inBare('stash', 'create')
        })
      },
      unchanged: () => timed(() => steps.note(use)),
      status: () => timed(() => inBare('status', '--porcelain')),
    })
    if (steps.counts.taken !== ROUNDS + 1 || steps.counts.missed !== 0) throw new Error(`steps: ${JSON.stringify(steps.counts)}`)
    return { changed: { ours: times.changed, baseline: times.stash }, unchanged: { ours: times.unchanged, baseline: times.status } }
  },
}
