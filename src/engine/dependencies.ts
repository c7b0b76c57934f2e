import { servicePaths } from '../workspace/paths.ts'
import { installedKey, isStored, linkDependencies, readManifests, storeDependencies, type InstallOptions } from '../workspace/dependencies.ts'
import { messageOf } from '../observe/text.ts'
import type { Thread } from './thread.ts'
import type { Tools } from './tools.ts'

/**
 * Makes sure that the work tree has the dependencies that its lockfile names. They are installed once for each lockfile
 * and linked into every work tree that wants the same.
 *
 * @throws RunFailure `workspace_failed`
 */
export async function ensureDependencies(thread: Thread, tools: Tools, stop: AbortSignal): Promise<void> {
  const manifests = await readManifests(thread.home.paths.workTree)
  if (manifests === undefined || (await installedKey(thread.home.paths.workTree)) === manifests.key) return
  const options = installOptions(thread, tools, stop)
  await tools.once(`dependencies ${manifests.key}`, () => storeDependencies(manifests, options))
  await linkDependencies(thread.home.paths.workTree, manifests.key, thread.record.slotNumber, options)
}

/**
 * For an edit: dependencies that are in the store are linked at once; others are installed while the agent already works,
 * and are there for its next message. What goes wrong is told, and fails no edit.
 */
export async function offerDependencies(thread: Thread, tools: Tools, stop: AbortSignal): Promise<void> {
  const events = tools.events(thread.ref)
  try {
    const { workTree } = thread.home.paths
    const manifests = await readManifests(workTree)
    if (manifests === undefined || (await installedKey(workTree)) === manifests.key) return
    if (await isStored(servicePaths(tools.root).store, manifests.key)) return await ensureDependencies(thread, tools, stop)
    const options = installOptions(thread, tools, tools.stopping)
    void tools
      .once(`dependencies ${manifests.key}`, () => storeDependencies(manifests, options))
      .catch((error: unknown) => events.append({ type: 'progress', text: `Dependencies are not installed: ${messageOf(error)}` }))
  } catch (error) {
    events.append({ type: 'progress', text: `Dependencies are not installed: ${messageOf(error)}` })
  }
}

function installOptions(thread: Thread, tools: Tools, stop: AbortSignal): InstallOptions {
  const events = tools.events(thread.ref)
  return {
    store: servicePaths(tools.root).store,
    identities: tools.identities,
    ...tools.installing,
    onProgress: (text) => events.append({ type: 'progress', text }),
    stop,
  }
}
