import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { chown, readFile, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { startContainer, type Container } from '../test/support/container.ts'
import { buildImage, compressedBytes, noImage, removeLaidOut, type Image } from '../test/support/image.ts'
import { temporaryFolder } from '../test/support/service.ts'
import { inTurns, type Subject } from './support.ts'

const ROUNDS = 5
const MB = 1_000_000
const USER = 10001
/** What such an image had before, with an agent that was a hundredth of the size; and its 30 s until healthy are the goal of the start. */
const BEFORE = { unpackedMb: 709, idleMb: 200, previewMb: 1000 }
const AS_PULLED_MB = 280
const BARE_SERVER = `require('node:http').createServer((_, answer) => answer.end('{}')).listen(0, '127.0.0.1', function () { console.log('is ready at http://127.0.0.1:' + this.address().port) })`
const ENV = { HOST: '127.0.0.1', PORT: '0', HMR_PORT: 'off', ASTRO_PORT: '0', SIMULATION: 'true', SPARE_AGENT: 'false', FIRST_USER_ID: '60000' }

/** The container image, built from this checkout. */
export const image: Subject<'unpacked' | 'withoutAgent' | 'pulled' | 'healthy' | 'idle' | 'preview'> = {
  figures: {
    unpacked: { name: 'image unpacked, against the one before', unit: 'MB', goal: 1000 / BEFORE.unpackedMb },
    withoutAgent: { name: "image without the agent's program, against the one before with its agent", unit: 'MB', goal: 1 },
    pulled: { name: 'image as pulled (zstd), against the aim', unit: 'MB', goal: 1 },
    healthy: { name: 'container start to healthy, against a bare HTTP server in the same image', unit: 'ms' },
    idle: { name: 'container memory (PSS) when idle, against the one before', unit: 'MB', goal: 1 },
    preview: { name: 'container memory (PSS) with an agent and a preview, against the one before', unit: 'MB', goal: 1 },
  },
  async measure() {
    const missing = await noImage()
    if (missing !== undefined) throw new Error(missing)
    const built = await buildImage()
    const agent = execFileSync('find', [join(built.root, 'app/node_modules/@anthropic-ai'), '-name', 'claude', '-type', 'f'], { encoding: 'utf8' }).trim()
    const unpacked = Number(execFileSync('du', ['-sxb', '--apparent-size', built.root], { encoding: 'utf8' }).split('\t')[0]) / MB
    const agentMb = (await stat(agent)).size / MB
    const pulled = (await compressedBytes()) / MB
    const starts = await inTurns(ROUNDS, { ours: () => started(built, ENV), bare: () => started(built, ENV, ['tini', '--', 'node', '-e', BARE_SERVER]) })
    const memory = await used(built)
    await removeLaidOut()
    return {
      unpacked: { ours: [unpacked], baseline: [BEFORE.unpackedMb] },
      withoutAgent: { ours: [unpacked - agentMb], baseline: [BEFORE.unpackedMb] },
      pulled: { ours: [pulled], baseline: [AS_PULLED_MB] },
      healthy: { ours: starts.ours, baseline: starts.bare },
      idle: { ours: [memory.idle], baseline: [BEFORE.idleMb] },
      preview: { ours: [memory.preview], baseline: [BEFORE.previewMb] },
    }
  },
}

interface Running extends AsyncDisposable {
  readonly url: string
  readonly container: Container
}

async function running(built: Image, env: Readonly<Record<string, string>>, command?: readonly string[]): Promise<Running> {
  const folder = await temporaryFolder()
  await chown(folder, USER, USER)
  const container = startContainer(built, { env, volumes: [[folder, '/workspace']], ...(command === undefined ? {} : { command }) })
  const closed = once(container.child, 'close')
  let output = ''
  const ready = Promise.withResolvers<string>()
  for (const stream of [container.child.stdout, container.child.stderr])
    stream?.setEncoding('utf8').on('data', (chunk: string) => {
      output += chunk
      const url = /is ready at (\S+)\n/.exec(output)?.[1]
      if (url !== undefined) ready.resolve(url)
    })
  container.child.once('exit', () => ready.reject(new Error(`the container ended: ${output}`)))
  const url = await ready.promise
  return {
    url,
    container,
    [Symbol.asyncDispose]: async () => {
      await container.signal('SIGTERM')
      await closed
      await container.remove()
      await rm(folder, { recursive: true, force: true, maxRetries: 5 })
    },
  }
}

async function started(built: Image, env: Readonly<Record<string, string>>, command?: readonly string[]): Promise<number> {
  const began = performance.now()
  await using service = await running(built, env, command)
  const { ok } = await fetch(`${service.url}/health`)
  if (!ok) throw new Error('it is not healthy')
  return performance.now() - began
}

/** Memory of all its processes, what they share divided among them, in MB. */
async function memoryOf({ container }: Running): Promise<number> {
  const pids: readonly number[] = JSON.parse(execFileSync('/usr/sbin/runc', ['ps', '--format', 'json', container.name], { encoding: 'utf8' }))
  const sizes = await Promise.all(pids.map((pid) => readFile(`/proc/${pid}/smaps_rollup`, 'utf8').catch(() => ''))) // it has ended
  return (sizes.reduce((sum, text) => sum + Number(/^Pss:\s+(\d+) kB/m.exec(text)?.[1] ?? 0), 0) * 1024) / MB
}

async function used(built: Image): Promise<{ readonly idle: number; readonly preview: number }> {
  await using service = await running(built, ENV)
  const idle = await memoryOf(service)
  for (const message of [{ instruction: 'replace Fresh bread with Warm bread in src/pages/index.astro' }, { instruction: '', type: 'preview' }]) {
    const answer = await fetch(`${service.url}/api/execute`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ clientId: 'bench', userId: 'bench', threadId: 'one', ...message }),
    })
    const said: unknown = await answer.json()
    if (!answer.ok || typeof said !== 'object' || said === null || !('success' in said) || said.success !== true) throw new Error(JSON.stringify(said))
  }
  return { idle, preview: await memoryOf(service) }
}
