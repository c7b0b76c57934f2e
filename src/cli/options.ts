import { parseArgs } from 'node:util'
import { Usage } from '../explain.ts'
import { version } from '../version.ts'

export const HELP = `Branchline ${version}: messages become git changes

  branchline serve                        run the service; configured by environment variables
  branchline send TEXT… [options]         hand a message in, watch the work, see the result
  branchline threads [options]            list the threads of a workspace
  branchline dlq list|show ID|retry ID    messages that could not be taken or carried out
  branchline config [set|clear]           the GitHub App of a service, in its vault
  branchline health                       whether the service of this WORKSPACE_PATH does its work
  branchline doctor                       check this machine, and say how to mend what is wrong

  --url URL         the service                       (by HOST and PORT: http://127.0.0.1:8080)
  --client ID       whose workspace: client           (me)
  --user ID         whose workspace: user             (me)
  --project ID      which of its projects
  --thread ID       the conversation                  (hello)
  --type TYPE       edit, build, commit, push, preview (edit)
  --plan            read and answer, change nothing
  --later           wait for what the thread is doing instead of interrupting it
  --steer           add to what the thread is doing; its agent reads it in the middle of its work
  --attach FILE     a file for the agent; may be given several times
  --max-cost USD    what this message may cost
  --id ID           the idempotency key of the message
  --repo URL        the repository of a new workspace
  --queue           send by the queues that the environment names (QUEUE_TABLE and CONTAINER_ID, or
                    INPUT_QUEUE_URL and OUTPUT_QUEUE_URL) instead of HTTP
  --wake NAME       with --queue: the ECS service, CLUSTER/SERVICE, to start where it does not run
  --token-file FILE the token of the service, where it needs one
  --app-id, --private-key-file, --webhook-secret-file, --installation-id
                    with config set: what GitHub shows of the app
  --json            print the bare answer
`

const OPTIONS = {
  url: { type: 'string' },
  client: { type: 'string', default: 'me' },
  user: { type: 'string', default: 'me' },
  project: { type: 'string' },
  thread: { type: 'string', default: 'hello' },
  type: { type: 'string', default: 'edit' },
  plan: { type: 'boolean', default: false },
  later: { type: 'boolean', default: false },
  queue: { type: 'boolean', default: false },
  wake: { type: 'string' },
  steer: { type: 'boolean', default: false },
  attach: { type: 'string', multiple: true },
  'max-cost': { type: 'string' },
  id: { type: 'string' },
  repo: { type: 'string' },
  'token-file': { type: 'string' },
  'app-id': { type: 'string' },
  'private-key-file': { type: 'string' },
  'webhook-secret-file': { type: 'string' },
  'installation-id': { type: 'string' },
  json: { type: 'boolean', default: false },
  help: { type: 'boolean', default: false },
  version: { type: 'boolean', default: false },
} as const

/** @throws Usage */
export const parsed = (args: readonly string[]) => {
  try {
    return parseArgs({ args: [...args], options: OPTIONS, allowPositionals: true })
  } catch (error) {
    throw new Usage(`${error instanceof Error ? error.message : String(error)}\n\n${HELP}`)
  }
}
/** The options of a call, with their defaults. */
export type Given = ReturnType<typeof parsed>['values']
