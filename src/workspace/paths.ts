import { join } from 'node:path'

/** What the ids of a thread are called on disk and in refs. */
export interface Names {
  readonly client: string
  readonly user: string
  readonly project: string
  readonly thread: string
}

/** `WORKSPACE_PATH` and what lies in it that belongs to the service. */
export const servicePaths = (root: string) => {
  const own = join(root, '.branchline')
  return {
    own,
    indexes: join(own, 'indexes'),
    events: join(own, 'events'),
    store: join(own, 'store'),
    templates: join(own, 'templates'),
    /** Sealed credentials. */
    vault: join(own, 'vault.json'),
    /** How the service stands, for whoever asks from beside it. */
    health: join(own, 'health.json'),
  }
}

/** Where everything of one thread lies. */
export function threadPaths(root: string, names: Omit<Names, 'thread'>, slot: string) {
  const user = join(root, names.client, names.user)
  const trees = join(user, '.worktrees', names.project)
  const claude = join(user, '.claude')
  const agent = join(trees, `${slot}.agent`)
  return {
    user,
    /** The one git repository of the workspace, bare. */
    repository: join(user, names.project),
    trees,
    workTree: join(trees, slot),
    index: join(servicePaths(root).indexes, slot),
    /** The agent's own: HOME, configuration, temporary files; removed with every new agent process. */
    agent: { folder: agent, home: join(agent, 'home'), config: join(agent, 'config'), tmp: join(agent, 'tmp') },
    /** Attachments of the message that is being worked on. */
    given: join(trees, `${slot}.given`),
    /** HOME and temporary files of a build; made anew for each. */
    build: { folder: join(trees, `${slot}.build`), tmp: join(trees, `${slot}.build`, 'tmp') },
    /** HOME, temporary files and caches of the preview; its own. `built` is what it serves without a dev server. */
    preview: {
      folder: join(trees, `${slot}.preview`),
      tmp: join(trees, `${slot}.preview`, 'tmp'),
      built: join(trees, `${slot}.built`),
    },
    claude,
    sessions: join(claude, 'sessions'),
    threads: join(claude, 'threads'),
    metadata: join(user, 'metadata.json'),
  }
}
export type ThreadPaths = ReturnType<typeof threadPaths>

/** What the agent's own git borrows. */
export const objectsOf = ({ repository }: Pick<ThreadPaths, 'repository'>): string => join(repository, 'objects')

export const branchOf = (names: Names): string => `thread-${names.thread}`
