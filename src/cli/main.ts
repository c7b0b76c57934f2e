import { parseArgs } from 'node:util'
import { serve } from '../main.ts'
import { version } from '../version.ts'
import { doctor } from './doctor.ts'
import { explain, Usage } from './explain.ts'
import { send } from './send.ts'
import { threads } from './threads.ts'

const HELP = `Branchline ${version}: messages become git changes

  branchline serve                        run the service; configured by environment variables
  branchline send TEXT… [options]         hand a message in, watch the work, see the result
  branchline threads [options]            list the threads of a workspace
  branchline doctor                       check this machine, and say how to mend what is wrong

  --url URL         the service                       (http://127.0.0.1:8080)
  --client ID       whose workspace: client           (me)
  --user ID         whose workspace: user             (me)
  --project ID      which of its projects
  --thread ID       the conversation                  (hello)
  --type TYPE       edit, build, commit or push       (edit)
  --plan            read and answer, change nothing
  --queue           wait for what the thread is doing instead of interrupting it
  --id ID           the idempotency key of the message
  --repo URL        the repository of a new workspace
  --token-file FILE the token of the service, where it needs one
  --json            print the bare answer
`

const OPTIONS = {
  url: { type: 'string', default: 'http://127.0.0.1:8080' },
  client: { type: 'string', default: 'me' },
  user: { type: 'string', default: 'me' },
  project: { type: 'string' },
  thread: { type: 'string', default: 'hello' },
  type: { type: 'string', default: 'edit' },
  plan: { type: 'boolean', default: false },
  queue: { type: 'boolean', default: false },
  id: { type: 'string' },
  repo: { type: 'string' },
  'token-file': { type: 'string' },
  json: { type: 'boolean', default: false },
  help: { type: 'boolean', default: false },
  version: { type: 'boolean', default: false },
} as const

const parsed = (args: readonly string[]) => {
  try {
    return parseArgs({ args: [...args], options: OPTIONS, allowPositionals: true })
  } catch (error) {
    throw new Usage(`${error instanceof Error ? error.message : String(error)}\n\n${HELP}`)
  }
}
export type Given = ReturnType<typeof parsed>['values']

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
