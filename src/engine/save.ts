import { outcomeOf, type Ending } from '../command/ending.ts'
import type { Skipped } from '../command/result.ts'
import { branchRef, commitAndTree, moveRef, treeOf, type Sha } from '../git/branch.ts'
import { commitTree, type Message } from '../git/commit.ts'
import { adoptIndex } from '../git/checkout.ts'
import { changedFiles } from '../git/diff.ts'
import { stage } from '../git/stage.ts'
import { refOf, type CommandRecord, type Saving } from '../journal/journal.ts'
import { firstLine } from '../observe/text.ts'
import { checkoutTree } from '../workspace/thread-home.ts'
import type { Thread } from './thread.ts'
import type { Tools } from './tools.ts'

export type Saved =
  | { readonly kind: 'nothing'; readonly skipped: readonly Skipped[] }
  | { readonly kind: 'committed'; readonly commit: Sha; readonly subject: string; readonly files: readonly string[]; readonly skipped: readonly Skipped[] }

/** The journal has a newer owner, who finishes what this service began. */
export class Fenced extends Error {
  constructor() {
    super('another service has taken over this workspace; nothing more is written')
    this.name = 'Fenced'
  }
}

/** A commit was made and recorded, and something failed on its way onto the branch: recovery finishes it from the record. */
export class Unfinished extends Error {
  constructor(cause: unknown) {
    super('a commit was recorded and could not be brought onto its branch', { cause })
    this.name = 'Unfinished'
  }
}

/** Steps that follow `journal.saving`; their failure is nobody's result. @throws Unfinished */
export async function afterSaving(steps: () => Promise<void>): Promise<void> {
  try {
    await steps()
  } catch (error) {
    throw new Unfinished(error)
  }
}

/**
 * Commits what a run left in the work tree. The commit is made first, then recorded, then the branch moves, so that a crash
 * at any point either changes nothing or is finished by recovery. Equal trees are the only sign that there is nothing to commit.
 */
export async function save(run: CommandRecord, ending: Ending, thread: Thread, tools: Tools): Promise<Saved> {
  const { home } = thread
  const { gitDir } = home.checkout
  const { commit: tip, tree } = await commitAndTree(gitDir, branchRef(home.branch))
  const staged = await stage(home.checkout, tools.holdsSecret)
  const changed = staged.tree !== tree
  const restores = ending.kind === 'completed' ? ending.restores : undefined
  const subject = tools.redact(subjectOf(run, ending))
  const message = (text: string): Message => ({ subject: text, body: tools.redact(bodyOf(run)), trailers: trailersOf(run, ending, thread) })

  let commit = tip
  const first = restores === undefined ? subject : 'Save before going back'
  if (changed) commit = await commitTree(gitDir, staged.tree, [tip], message(first), tools.author)
  const kept = changed && restores !== undefined ? { commit, subject: first } : undefined
  if (restores !== undefined && staged.tree !== (await treeOf(gitDir, restores)))
    commit = await commitTree(gitDir, await treeOf(gitDir, restores), [commit], message(subject), tools.author)
  if (commit === tip) {
    await adoptIndex(home.checkout, staged.indexFile)
    return { kind: 'nothing', skipped: staged.skipped }
  }
  const files = await changedFiles(gitDir, tip, commit)
  const saving: Saving = {
    ending,
    commit,
    before: tip,
    subject,
    files,
    skipped: staged.skipped,
    ...(restores === undefined ? {} : { restores, checkout: true }),
    ...(kept === undefined ? {} : { kept }),
  }
  if ((await tools.journal.saving(refOf(run.command), saving)) === 'lost') throw new Fenced()
  await afterSaving(async () => {
    await moveRef(gitDir, branchRef(home.branch), commit, tip)
    await adoptIndex(home.checkout, staged.indexFile)
    if (saving.checkout === true) await checkoutTree(home, commit)
  })
  return { kind: 'committed', commit, subject, files, skipped: staged.skipped }
}

const SUBJECT_LENGTH = 72

function subjectOf({ command, carried }: CommandRecord, ending: Ending): string {
  const asked = firstLine([...carried, command].map((each) => each.instruction).join('\n'), SUBJECT_LENGTH) || command.type
  switch (ending.kind) {
    case 'completed':
      return command.type === 'commit' ? asked : firstLine(ending.summary, SUBJECT_LENGTH) || asked
    case 'interrupted':
      return 'Interrupted by new message'
    case 'shutdown':
      return 'Interrupted by a restart of the service'
    case 'recovered':
      return 'Recovered after a crash'
    case 'failed':
      return firstLine(`Failed (${ending.code}): ${asked}`, SUBJECT_LENGTH)
  }
}

const bodyOf = ({ command, carried }: CommandRecord): string => [...carried, command].map((each) => each.instruction).join('\n\n---\n\n')

function trailersOf({ command }: CommandRecord, ending: Ending, { record }: Thread): Message['trailers'] {
  return {
    'Thread-Id': command.threadId,
    'Command-Id': command.commandId,
    'Agent-Session': command.type === 'edit' ? record.sessionId : undefined,
    'Requested-By': command.userEmail,
    Outcome: outcomeOf(ending),
  }
}
