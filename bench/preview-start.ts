import { execFile } from 'node:child_process'
import { readdir, rm, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import { servicePaths } from '../src/workspace/paths.ts'
import { clientOf } from '../test/support/client.ts'
import { ask } from '../test/support/previews.ts'
import { temporaryFolder, type Service } from '../test/support/service.ts'
import { devServerOf, firstPage, showThread, startPlain, startShowing, type PlainPlace, type ShownThread } from './preview-site.ts'
import { complain, inTurns, pss, timed, type Subject } from './support.ts'

const exec = promisify(execFile)
const ROUNDS = 3
const SETTLE_MS = 3000
const MB = 1_000_000

/** Dev servers that have to start first, and what one more of them costs. */
export const previewStart: Subject<'switch' | 'warm' | 'cold' | 'memory' | 'disk'> = {
  figures: {
    switch: { name: 'preview: switch to a thread whose server was stopped, against astro dev by hand', unit: 'ms' },
    warm: { name: 'preview: start to the first page with warm caches, against astro dev by hand', unit: 'ms' },
    cold: { name: 'preview: start to the first page with cold caches, against astro dev by hand', unit: 'ms' },
    memory: { name: 'preview: memory of a further thread’s dev server (PSS), against astro dev in a copy', unit: 'MB' },
    disk: { name: 'preview: disk of a further thread, against a clone with node_modules of its own', unit: 'MB' },
  },
  async measure() {
    await using parts = new AsyncDisposableStack()
    const folder = await temporaryFolder()
    parts.defer(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }))
    const service = parts.use(await startShowing())
    const thread = await showThread(service, 'first')
    const starts = await measureStarts(service, thread)
    await showThread(service, 'first')
    const further = await showThread(service, 'further')
    const copy = await copyOf(clientOf(service).repository, further.workTree, join(folder, 'copy'))
    await using plain = await startPlain(copy)
    for (const url of [further.direct, plain.url]) await ask(`${url}breads`)
    await delay(SETTLE_MS)
    const { pid } = await devServerOf(further.workTree)
    return {
      switch: { ours: starts.switched, baseline: starts.plainWarm },
      warm: { ours: starts.warm, baseline: starts.plainWarm },
      cold: { ours: starts.cold, baseline: starts.plainCold },
      memory: { ours: [await pss([pid])], baseline: [await pss([plain.pid])] },
      disk: {
        ours: [await addedDisk(further.workTree, [servicePaths(service.workspace).store, ...(await placesOf(thread.workTree))])],
        baseline: [await addedDisk(copy.workTree, [])],
      },
    }
  },
}

async function measureStarts(service: Service, { threadId, workTree, url }: ShownThread) {
  const client = clientOf(service)
  const tell = async (verb: 'start' | 'stop'): Promise<void> => {
    const { status, body } = await client.call('POST', client.thread(threadId, `preview/${verb}`), {})
    if (status !== 200 && status !== 202) throw complain(service, `preview/${verb} answered ${status}: ${JSON.stringify(body)}`)
  }
  const { uid, gid } = await stat(`${workTree}.preview/cache`)
  const place: PlainPlace = { workTree, home: `${workTree}.preview`, uid, gid }
  const byHand = async (): Promise<number> => {
    const began = performance.now()
    await using _server = await startPlain(place)
    return performance.now() - began
  }
  const started = async (): Promise<number> => {
    const time = await timed(async () => {
      await tell('start')
      await firstPage(url)
    })
    await tell('stop')
    return time
  }
  const forget = async (...caches: readonly string[]): Promise<void> => {
    for (const cache of [...caches, `${workTree}/.astro`]) await rm(cache, { recursive: true, force: true })
  }
  await tell('stop')
  return inTurns(ROUNDS, {
    switched: async () => {
      const time = await timed(() => firstPage(url))
      await tell('stop')
      return time
    },
    warm: started,
    plainWarm: byHand,
    cold: async () => {
      await forget(`${workTree}.preview/cache`)
      return started()
    },
    plainCold: async () => {
      await forget(`${workTree}/node_modules/.vite`, `${workTree}/node_modules/.astro`)
      return byHand()
    },
  })
}

/** What somebody has who does not share: a clone, and packages of its own. */
async function copyOf(repository: string, workTree: string, to: string): Promise<PlainPlace> {
  await exec('git', ['clone', '-q', '--', repository, to])
  await exec('cp', ['-a', '--', join(workTree, 'node_modules'), to])
  const { uid, gid } = await stat(to)
  return { workTree: to, home: dirname(to), uid, gid }
}

/** A work tree and what lies beside it for the same thread. */
async function placesOf(workTree: string): Promise<readonly string[]> {
  const [folder, slot] = [dirname(workTree), basename(workTree)]
  return (await readdir(folder)).filter((name) => name === slot || name.startsWith(`${slot}.`)).map((name) => join(folder, name))
}

/** What is there for a work tree alone, in MB: files that other places have too do not count. */
async function addedDisk(workTree: string, others: readonly string[]): Promise<number> {
  const { stdout } = await exec('du', ['-s', '--block-size=1', '--', ...others, ...(await placesOf(workTree))])
  const sizes = stdout
    .trim()
    .split('\n')
    .map((line) => Number.parseInt(line, 10))
  return sizes.slice(others.length).reduce((sum, size) => sum + size, 0) / MB
}
