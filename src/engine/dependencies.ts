import { servicePaths } from '../workspace/paths.ts'
import { areInstalled, isStored, linkDependencies, readManifests, storeDependencies, type InstallOptions } from '../workspace/dependencies.ts'
import { messageOf } from '../observe/text.ts'
import type { Thread } from './thread.ts'
import type { Tools } from './tools.ts'

/** A work tree that wants dependencies, and who is told of it. */
interface Wanting {
  readonly slot: string
  readonly workTree: string
  readonly slotNumber: number
  readonly tell: (progress: string) => void
}

export const wantingOf = ({ ref, home, record }: Thread, tools: Tools): Wanting => ({
  slot: home.slot.slot,
  workTree: home.paths.workTree,
  slotNumber: record.slotNumber,
  tell: (text) => tools.events(ref).append({ type: 'progress', text }),
})

/** Whether the work tree has the dependencies that its lockfile names, from the store or by an install of its agent's own. */
export async function hasDependencies(workTree: string): Promise<boolean> {
  const manifests = await readManifests(workTree)
  return manifests === undefined || (await areInstalled(workTree, manifests))
}

/** Installs them into the store where they are not there yet. @throws RunFailure `workspace_failed` */
export async function storeOf(place: Wanting, tools: Tools, stop: AbortSignal): Promise<void> {
  const manifests = await readManifests(place.workTree)
  if (manifests === undefined) return
  const options = installOptions(place, tools, stop)
  await unlessStopped(
    tools.once(`dependencies ${manifests.key}`, () => storeDependencies(manifests, options)),
    stop,
  )
}

/**
 * Makes sure that the work tree has the dependencies that its lockfile names. They are installed once for each lockfile
 * and linked into every work tree that wants the same. In the thread's turn.
 *
 * @throws RunFailure `workspace_failed`
 */
export async function ensureDependencies(place: Wanting, tools: Tools, stop: AbortSignal): Promise<void> {
  const manifests = await readManifests(place.workTree)
  if (manifests === undefined || (await areInstalled(place.workTree, manifests))) return
  const options = installOptions(place, tools, stop)
  await unlessStopped(
    tools.once(`dependencies ${manifests.key}`, () => storeDependencies(manifests, options)),
    stop,
  )
  await tools.previews.standStill(place.slot) // until the turn is over, or the agent begins
  await linkDependencies(place.workTree, manifests.key, place.slotNumber, options)
  tools.previews.restart(place.slot)
}

/**
 * For an edit: dependencies that are in the store are linked at once; others are installed while the agent already works,
 * and are there for its next message. What goes wrong is told, and fails no edit.
 */
export async function offerDependencies(place: Wanting, tools: Tools, stop: AbortSignal): Promise<void> {
  try {
    const { workTree } = place
    const manifests = await readManifests(workTree)
    if (manifests === undefined || (await areInstalled(workTree, manifests))) return
    if (await isStored(servicePaths(tools.root).store, manifests.key)) return await ensureDependencies(place, tools, stop)
    const options = installOptions(place, tools, tools.stopping)
    void tools
      .once(`dependencies ${manifests.key}`, () => storeDependencies(manifests, options))
      .catch((error: unknown) => place.tell(`Dependencies are not installed: ${messageOf(error)}`))
  } catch (error) {
    place.tell(`Dependencies are not installed: ${messageOf(error)}`)
  }
}

const installOptions = ({ tell }: Wanting, tools: Tools, stop: AbortSignal): InstallOptions => ({
  store: servicePaths(tools.root).store,
  identities: tools.identities,
  ...tools.installing,
  onProgress: tell,
  stop,
})

/** An install may be somebody else's, who wants it for longer. @throws what `stop` is aborted with */
async function unlessStopped(install: Promise<void>, stop: AbortSignal): Promise<void> {
  install.catch(() => {}) // whoever began it is told
  const stopped = Promise.withResolvers<never>()
  const tell = (): void => stopped.reject(stop.reason)
  stop.addEventListener('abort', tell, { once: true })
  try {
    stop.throwIfAborted()
    await Promise.race([install, stopped.promise])
  } finally {
    stop.removeEventListener('abort', tell)
  }
}
