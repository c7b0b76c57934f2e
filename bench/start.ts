import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { startService, temporaryFolder } from '../test/support/service.ts'
import { inTurns, SERVICE_ENV, type Subject } from './support.ts'

const ROUNDS = 9

/** The least that a service in Node on a database can be. */
const BARE_SERVER = `
  import { createServer } from 'node:http'
  import 'node:sqlite'
  const server = createServer((request, response) => response.end(JSON.stringify({ memory: { rssBytes: process.memoryUsage().rss } })))
  server.listen(0, '127.0.0.1', () => process.stdout.write('http://127.0.0.1:' + server.address().port + '\\n'))
`
const MB = 1024 * 1024

interface Start {
  readonly ms: number
  readonly megabytes: number
}

/** A start of what is installed and has been started before. */
export const start: Subject<'healthy' | 'memory'> = {
  figures: {
    healthy: { name: 'start to healthy, against a bare HTTP server', unit: 'ms' },
    memory: { name: 'memory of the idle service, against bare node with http and sqlite', unit: 'MB' },
  },
  async measure() {
    await using parts = new AsyncDisposableStack()
    const folder = await temporaryFolder()
    parts.defer(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }))
    const compiled = { NODE_COMPILE_CACHE: join(folder, 'compiled') }

    const ours = async (): Promise<Start> => {
      const began = performance.now()
      const service = await startService({ workspace: folder, env: { ...SERVICE_ENV, ...compiled } })
      try {
        return await healthy(service.url, began)
      } finally {
        await service.terminate()
      }
    }
    const bare = async (): Promise<Start> => {
      const began = performance.now()
      const child = spawn(process.execPath, ['--input-type=module', '-e', BARE_SERVER], {
        env: { ...process.env, ...compiled },
        stdio: ['ignore', 'pipe', 'inherit'],
      })
      const exited = once(child, 'exit')
      try {
        const [line] = await once(child.stdout, 'data')
        return await healthy(String(line).trim(), began)
      } finally {
        child.kill('SIGKILL')
        await exited
      }
    }
    const starts = await inTurns(ROUNDS, { ours, bare })
    const of = (side: keyof typeof starts, what: keyof Start): readonly number[] => starts[side].map((each) => each[what])
    return {
      healthy: { ours: of('ours', 'ms'), baseline: of('bare', 'ms') },
      memory: { ours: of('ours', 'megabytes'), baseline: of('bare', 'megabytes') },
    }
  },
}

async function healthy(url: string, began: number): Promise<Start> {
  const answer = await fetch(`${url}/health`)
  const ms = performance.now() - began
  if (answer.status !== 200) throw new Error(`/health answered ${answer.status}`)
  const { memory } = (await answer.json()) as { memory: { rssBytes: number } }
  return { ms, megabytes: memory.rssBytes / MB }
}
