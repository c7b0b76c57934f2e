/** What of a checkpoint decides where "back" is. */
interface Step {
  readonly commit: string
  readonly parent: string
  readonly subject: string
  readonly restores?: string | undefined
}

interface Line {
  /** The commit that the thread began from. */
  readonly base: string
  readonly tip: string
  /** Oldest first. */
  readonly checkpoints: readonly Step[]
  /** Checkpoints in the middle of runs, which a wish may name too. */
  readonly steps?: readonly Pick<Step, 'commit' | 'subject'>[]
}

export interface Target {
  readonly commit: string
  readonly shown: string
}

/**
 * The commit whose files are wanted back: the one asked for, by its name or the beginning of it, or with an empty wish
 * one step back from where the thread stands. Undoing twice goes two steps back, because a restored checkpoint
 * stands where it stood the first time.
 */
export function targetOf(wish: string, line: Line): Target | undefined {
  if (wish === '') return stepBack(line)
  const matches = [line.base, ...[...line.checkpoints, ...(line.steps ?? [])].map((step) => step.commit)].filter((commit) => commit.startsWith(wish))
  const [found] = matches
  return found !== undefined && new Set(matches).size === 1 ? shown(found, line) : undefined
}

function stepBack(line: Line): Target | undefined {
  const at = standsAt(line.tip, line)
  if (at === line.base) return undefined
  const parent = line.checkpoints.find((step) => step.commit === at)?.parent
  return parent === undefined ? undefined : shown(standsAt(parent, line), line)
}

/** Follows restores to the commit that was restored. */
function standsAt(commit: string, { checkpoints }: Line): string {
  let at = commit
  for (let left = checkpoints.length; left > 0; left -= 1) {
    const restores = checkpoints.find((step) => step.commit === at)?.restores
    if (restores === undefined) return at
    at = restores
  }
  return at
}

function shown(commit: string, { checkpoints, steps = [] }: Line): Target {
  const subject = [...checkpoints, ...steps].find((step) => step.commit === commit)?.subject
  return { commit, shown: subject === undefined ? `the start of the thread (${commit.slice(0, 8)})` : `“${subject}” (${commit.slice(0, 8)})` }
}
