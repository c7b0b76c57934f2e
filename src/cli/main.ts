import { serve } from '../main.ts'
import { version } from '../version.ts'
import { config } from './config.ts'
import { doctor } from './doctor.ts'
import { explain, Usage } from '../explain.ts'
import { health } from './health.ts'
import { HELP, parsed } from './options.ts'
import { send } from './send.ts'
import { threads } from './threads.ts'

async function main(args: readonly string[]): Promise<number> {
  const { values, positionals } = parsed(args)
  const [verb, ...rest] = positionals
  if (values.version) return print(`${version}\n`)
  if (values.help || verb === 'help' || verb === undefined) return print(HELP)
  switch (verb) {
    case 'serve':
      return serve()
    case 'send':
      return send(rest.join(' '), values)
    case 'threads':
      return threads(values)
    case 'dlq':
      return (await import('./dlq.ts')).dlq(rest, values) // what speaks to AWS is loaded only where it is needed
    case 'config':
      return config(rest, values)
    case 'health':
      return health(values.json)
    case 'doctor':
      return doctor()
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
