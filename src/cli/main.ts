import { version } from '../version.ts'
import { explain, Usage } from '../explain.ts'
import { HELP, parsed } from './options.ts'

/** Each command loads what it needs: `health` is asked every half a minute in a container. */
async function main(args: readonly string[]): Promise<number> {
  const { values, positionals } = parsed(args)
  const [verb, ...rest] = positionals
  if (values.version) return print(`${version}\n`)
  if (values.help || verb === 'help' || verb === undefined) return print(HELP)
  switch (verb) {
    case 'serve':
      return (await import('../main.ts')).serve()
    case 'send':
      return (await import('./send.ts')).send(rest.join(' '), values)
    case 'threads':
      return (await import('./threads.ts')).threads(values)
    case 'dlq':
      return (await import('./dlq.ts')).dlq(rest, values)
    case 'config':
      return (await import('./config.ts')).config(rest, values)
    case 'health':
      return (await import('./health.ts')).health(values.json)
    case 'doctor':
      return (await import('./doctor.ts')).doctor()
    default:
      throw new Usage(`There is no command ${JSON.stringify(verb)}.\n\n${HELP}`)
  }
}

function print(text: string): number {
  process.stdout.write(text)
  return 0
}

try {
  process.exitCode = await main(process.argv.slice(2))
} catch (error) {
  process.stderr.write(`${explain(error)}\n`)
  process.exitCode = 1
}
