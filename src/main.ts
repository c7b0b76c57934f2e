import { explain } from './explain.ts'
import { raisePowers } from './process/powers.ts'

/** A Ctrl-C reaches us from the terminal and once more from npm. */
const SAME_SIGNAL_MS = 1000

/**
 * Runs the service until it is told to stop. Answers the exit code.
 *
 * @param httpOnly takes no messages from queues, whatever the environment says
 */
export async function serve({ httpOnly = false } = {}): Promise<number> {
  await raisePowers() // before the rest is loaded, because it may start all over
  const [{ configToStart }, { assemble }, { greeting }] = await Promise.all([import('./config-to-start.ts'), import('./assemble.ts'), import('./greeting.ts')])
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {}) // who read them may have gone
  const stop = new AbortController()
  let begun = false
  try {
    const told = toldToStop() // one that comes while it starts counts too
    void told.then(() => stop.abort())
    const config = await configToStart({ httpOnly })
    await using service = await assemble(config, stop.signal)
    begun = true
    process.stdout.write(greeting(config, service))
    service.lost.addEventListener('abort', () => {
      process.stderr.write(`${explain(service.lost.reason)}\n`)
      process.exit(1) // what runs here belongs to the new owner, the saving of it too
    })
    const signal = await Promise.race([told, service.idle])
    process.stdout.write(
      signal === undefined
        ? 'Stopping: there was nothing to do for a while. Everything is saved.\n'
        : `Stopping (${signal}): what runs is saved and goes on at the next start.\n`,
    )
    setTimeout(() => process.exit(1), config.DRAIN_SECONDS * 1000).unref()
  } catch (error) {
    if (stop.signal.aborted && !begun) return 0
    process.stderr.write(`${explain(error)}\n`)
    return 1
  }
  return 0
}

async function toldToStop(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    let first: number | undefined
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      process.on(signal, () => {
        if (first !== undefined && performance.now() - first > SAME_SIGNAL_MS) process.exit(1) // told twice: at once
        first ??= performance.now()
        resolve(signal)
      })
    }
  })
}

if (import.meta.main) process.exitCode = await serve({ httpOnly: process.argv.includes('--http-only') })
