import type { Config } from './config.ts'
import type { Service } from './assemble.ts'
import type { EgressRule } from './network/egress-rules.ts'
import type { Queues } from './ways/sqs/worker.ts'
import { version } from './version.ts'

const SANDBOXES = {
  processes: 'bubblewrap: agents and builds see their own files and processes',
  files: 'bubblewrap: agents and builds see their own files, and the processes of this machine',
} as const

/** What the service says when it is ready: where it is, what holds, what to try. */
export function greeting(config: Config, { url, simulated, previewUrl, github, deadLetterQueue, identities, sandbox }: Service): string {
  return [
    `Branchline ${version} is ready ${url === undefined ? 'for messages from queues' : `at ${url}`}`,
    simulated
      ? '  model      simulation: a scripted model follows plain instructions; set ANTHROPIC_API_KEY for a real one'
      : `  model      Claude Code on ${config.upstream.url}`,
    `  agents     ${identities.level === 'separate' ? 'run as users of their own' : `run as ${process.getuid?.() === 0 ? 'root, like the service' : 'your own user'} (${identities.reason ?? ''})`}`,
    ...(sandbox.level === 'off' ? [] : [`  sandbox    ${SANDBOXES[sandbox.level]}`]),
    ...(config.egress === undefined ? [] : [`  network    agents are led to ${hostsOf(config.egress)}`]),
    ...(previewUrl === undefined ? [] : [`  previews   ${previewsAt(config, previewUrl)}`]),
    `  repository ${config.origin?.url ?? 'the example site'}, for workspaces that do not exist yet`,
    `  workspace  ${config.workspacePath}`,
    ...(github === undefined ? [] : [`  GitHub     ${github}`]),
    ...(config.queues === undefined ? [] : queueLines(config.queues, deadLetterQueue)),
    ...(config.journalTable === undefined ? [] : [`  journal    ${config.journalTable.key} in the table ${config.journalTable.table}`]),
    '',
    ...(url === undefined ? [''] : tryThis(config, url, simulated)),
  ].join('\n')
}

/** A message that shows what this is about. */
function tryThis(config: Config, url: string, simulated: boolean): readonly string[] {
  const who = [
    config.CLIENT_ID === undefined ? '"clientId":"me",' : '',
    config.USER_ID === undefined ? '"userId":"me",' : '',
    config.THREAD_ID === undefined ? '"threadId":"hello",' : '',
  ].join('')
  const own = simulated ? 'write hello.txt: Hello' : 'describe this repository in README.md'
  const example = simulated ? 'replace Fresh bread with Warm bread in src/pages/index.astro' : 'make the first heading of the home page friendlier'
  const instruction = config.origin === undefined ? example : own
  const body = `{${who}"instruction":"${instruction}"}`
  const token = config.API_TOKEN === undefined && config.API_TOKENS_FILE === undefined ? '' : " -H 'Authorization: Bearer YOUR-TOKEN'"
  return [`Open ${url} in a browser, or try:`, `  curl ${url}/api/execute -H 'Content-Type: application/json'${token} \\`, `    -d '${body}'`, '', '']
}

function queueLines(queues: Queues, deadLetterQueue: string | undefined): readonly string[] {
  const from =
    queues.kind === 'pair' ? `messages from ${queues.input}, results to ${queues.output}` : `those of ${queues.containerId} in the table ${queues.table}`
  const noQueue =
    queues.kind === 'pair'
      ? 'kept in the journal, as far as the input queue has no redrive target: there is no DLQ_URL'
      : 'to the redrive target of their queue, else kept in the journal'
  return [`  queues     ${from}`, `  dead       ${deadLetterQueue ?? noQueue}`]
}

/** Under a domain of their own they are reached by way of something that speaks TLS, which has to know where they are answered. */
function previewsAt({ PREVIEW_DOMAIN: domain, HOST: host }: Config, url: string): string {
  if (domain === undefined) return url.replace('localhost', 'thread-{id}.localhost')
  return `https://thread-{id}.${domain}/, answered at ${url.replace('localhost', host.includes(':') ? `[${host}]` : host).replace(/\/$/, '')}`
}

/** Each host once, as EGRESS_ALLOW names it. */
const hostsOf = (rules: readonly EgressRule[]): string => [...new Set(rules.map(({ host, below }) => `${below ? '*.' : ''}${host}`))].join(', ')
