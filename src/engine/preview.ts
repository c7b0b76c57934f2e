import { mkdir } from 'node:fs/promises'
import { RunFailure } from '../command/ending.ts'
import type { PreviewPlace } from '../preview/dev-server.ts'
import type { PreviewStanding } from '../preview/standing.ts'
import type { Site } from '../preview/site.ts'
import { exists, give } from '../workspace/files.ts'
import { names, readManifest } from '../workspace/manifest.ts'
import { ensureDependencies, hasDependencies, storeOf, wantingOf } from './dependencies.ts'
import { previewSlot } from './names.ts'
import type { Thread } from './thread.ts'
import type { Tools } from './tools.ts'

/** Has a thread for itself while it works: in its turn, or because it has that already. */
export type InTurn = <Value>(work: (stop: AbortSignal) => Promise<Value>) => Promise<Value>

interface Opening {
  readonly inTurn: InTurn
  readonly stop: AbortSignal
  /** Somebody asks for it on purpose. */
  readonly anew: boolean
}

/**
 * Makes the preview of a thread run, with the dependencies that its lockfile names. They are installed without the thread's turn, and
 * laid into its work tree in it.
 *
 * @throws RunFailure `rejected` where there is nothing to show, `workspace_failed` where its dependencies cannot be installed
 */
export async function openPreview(thread: Thread, tools: Tools, { inTurn, stop, anew }: Opening): Promise<void> {
  const { slot } = thread.home.slot
  const place = await placeOf(thread, tools)
  const want = wantingOf(thread, tools)
  if (place.site.kind !== 'built' && !(await hasDependencies(want.workTree))) {
    await storeOf(want, tools, stop)
    await inTurn((ending) => ensureDependencies(want, tools, ending))
  }
  await tools.previews.open(slot, place, (standing) => void tellOf(thread, standing, tools), anew)
}

/** Tells whoever watches the thread; best effort, as events are. */
async function tellOf({ ref }: Thread, { state, errors }: PreviewStanding, tools: Tools): Promise<void> {
  tools.log.info({ event: 'preview.changed', threadId: ref.threadId, state, errors: errors.length })
  const url = await tools.preview.urlOf(ref).catch(() => undefined) // the journal is closed when the service stops
  tools.events(ref).append({ type: 'preview.changed', state, ...(url === undefined ? {} : { url }), ...(errors.length === 0 ? {} : { errors: [...errors] }) })
}

async function placeOf({ home, record }: Thread, tools: Tools): Promise<PreviewPlace> {
  const { workTree, preview } = home.paths
  const site = await siteOf(home.paths, tools)
  if (site === undefined) {
    throw new RunFailure(
      'rejected',
      tools.preview.devServers
        ? 'There is nothing to show: package.json has neither a dependency on astro nor a `dev` script.'
        : 'There is nothing to show yet: previews show the last good build (ASTRO_DEV_MODE=false), and there is none.',
    )
  }
  const slot = previewSlot(record, tools)
  await mkdir(preview.tmp, { recursive: true, mode: 0o770 })
  for (const path of [preview.tmp, preview.folder]) await give(path, slot.identity)
  return { slot, workTree, folder: preview.folder, site }
}

/** How the site of a work tree is shown; `undefined` where there is nothing to show. */
export async function siteOf({ workTree, preview }: Thread['home']['paths'], { preview: { devServers } }: Pick<Tools, 'preview'>): Promise<Site | undefined> {
  if (!devServers) return (await exists(preview.built)) ? { kind: 'built', folder: preview.built } : undefined
  const { scripts, dependencies, devDependencies } = await readManifest(workTree)
  if (names(dependencies, 'astro') || names(devDependencies, 'astro')) return { kind: 'astro' }
  const script = names(scripts, 'dev') ? scripts['dev'] : undefined
  return typeof script === 'string' && script.trim() !== '' ? { kind: 'script', script } : undefined
}
