import { mkdir } from 'node:fs/promises'
import { stripVTControlCharacters } from 'node:util'
import type { Ending } from '../command/ending.ts'
import { printable } from '../observe/text.ts'
import { endAll } from '../process/end-all.ts'
import { removeTree } from '../process/remove-tree.ts'
import { run } from '../process/run.ts'
import { SLOT_VARIABLE } from '../process/table.ts'
import { give } from '../workspace/files.ts'
import { names, readManifest } from '../workspace/manifest.ts'
import { objectsOf } from '../workspace/paths.ts'
import { keepBuilt } from './built.ts'
import { ensureDependencies, wantingOf } from './dependencies.ts'
import type { Thread } from './thread.ts'
import type { Tools } from './tools.ts'

const KEEP_BYTES = 64 * 1024
const SHOWN_LINES = 40

/** Runs the project's `build` script, or `astro build` where it has none, as the thread's agent user. */
export async function build(thread: Thread, tools: Tools, stop: AbortSignal): Promise<Ending> {
  const { home } = thread
  const { workTree, build: folders } = home.paths
  const command = await buildCommand(workTree, tools)
  if (command === undefined) {
    return {
      kind: 'failed',
      code: 'rejected',
      error: 'There is nothing to build: package.json has neither a `build` script nor a dependency on astro.',
      mayPass: false,
    }
  }
  await ensureDependencies(wantingOf(thread, tools), tools, stop)
  tools.previews.goOn(home.slot.slot)
  await removeTree(folders.folder)
  await mkdir(folders.tmp, { recursive: true, mode: 0o770 })
  for (const path of [folders.tmp, folders.folder]) await give(path, home.slot.identity)
  const events = tools.events(thread.ref)
  events.append({ type: 'progress', text: `Building: ${command.shown}` })
  try {
    const view = { cwd: workTree, writable: [workTree, folders.folder], readable: [objectsOf(home.paths)] }
    const [file, args] = tools.sandbox.command(view, process.execPath, command.args)
    const { code, stdout, stderr } = await run(file, args, {
      cwd: workTree,
      as: home.slot.identity,
      umask: 0o007,
      contained: true,
      detached: true,
      stop,
      keepBytes: KEEP_BYTES,
      env: {
        ...tools.installing.agentNetworkEnv,
        PATH: tools.installing.path,
        HOME: folders.folder,
        TMPDIR: folders.tmp,
        LANG: 'C.UTF-8',
        CI: 'true',
        ASTRO_TELEMETRY_DISABLED: '1',
        [SLOT_VARIABLE]: home.slot.slot,
      },
    })
    if (code === 0) {
      await keepBuilt(thread, tools)
      return { kind: 'completed', summary: `Built: ${command.shown}` }
    }
    return { kind: 'failed', code: 'build_failed', error: lastLines(`${stdout.toString('utf8')}\n${stderr.toString('utf8')}`), mayPass: false }
  } finally {
    await endAll(home.slot)
  }
}

async function buildCommand(workTree: string, tools: Tools): Promise<{ readonly args: readonly string[]; readonly shown: string } | undefined> {
  const { scripts, dependencies, devDependencies } = await readManifest(workTree)
  if (names(scripts, 'build')) return { args: [tools.installing.npm, 'run', 'build', '--silent'], shown: 'npm run build' }
  if (!names(dependencies, 'astro') && !names(devDependencies, 'astro')) return undefined
  return { args: [tools.installing.npm, 'exec', '--no', '--', 'astro', 'build'], shown: 'astro build' }
}

/** The last lines that say something, without colours. */
function lastLines(output: string): string {
  const lines = stripVTControlCharacters(output)
    .split('\n')
    .filter((line) => line.trim() !== '')
  return printable(lines.slice(-SHOWN_LINES).join('\n'), 8000) || 'The build failed without a word.'
}
