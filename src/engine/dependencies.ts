import { servicePaths } from '../workspace/paths.ts'
import { installedKey, isStored, linkDependencies, readManifests, storeDependencies, type InstallOptions } from '../workspace/dependencies.ts'
import { messageOf } from '../observe/text.ts'
import type { Thread } from './thread.ts'
import type { Tools } from './tools.ts'

/** A work tree that wants dependencies, and who is told of it. */
interface Wanting {
  readonly workTree: string
  readonly slotNumber: number
  readonly tell: (progress: string) => void
}

export const wantingOf = ({ ref, home, record }: Thread, tools: Tools): Wanting => ({
  workTree: home.paths.workTree,
  slotNumber: record.slotNumber,
  tell: (text) => tools.events(ref).append({ type: 'progress', text }),
})

/**
 * Makes sure that the work tree has the dependencies that its lockfile names. They are installed once for each lockfile
 * and linked into every work tree that wants the same.
 *
 * @throws RunFailure `workspace_failed`
 */
export async function ensureDependencies(place: Wanting, tools: Tools, stop: AbortSignal): Promise<void> {
  const manifests = await readManifests(place.workTree)
  if (manifests === undefined || (await installedKey(place.workTree)) === manifests.key) return
  const options = installOptions(place, tools, stop)
  await tools.once(`dependencies ${manifests.key}`, () => storeDependencies(manifests, options))
  await linkDependencies(place.workTree, manifests.key, place.slotNumber, options)
}

/**
 * For an edit: dependencies that are in the store are linked at once; others are installed while the agent already works,
 * and are there for its next message. What goes wrong is told, and fails no edit.
 */
export async function offerDependencies(place: Wanting, tools: Tools, stop: AbortSignal): Promise<void> {
  try {
    const { workTree } = place
    const manifests = await readManifests(workTree)
    if (manifests === undefined || (await installedKey(workTree)) === manifests.key) return
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
