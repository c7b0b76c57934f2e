import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { basename, extname } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { loopback, readConfig } from '../config.ts'
import { Client, type Result, type RunEvent } from '../client.ts'
import { queueClientFor } from './by-queue.ts'
import { messageOf, printable } from '../observe/text.ts'
import { Usage } from '../explain.ts'
import type { Given } from './options.ts'

const TYPES = ['edit', 'build', 'commit', 'push', 'preview'] as const

/** How long the last events may take after the result is known. */
const TAIL_MS = 1000

/** Hands a message in, shows what happens, and ends with its result: exit code 0 where it went well. */
export async function send(instruction: string, given: Given): Promise<number> {
  const type = TYPES.find((each) => each === given.type)
  if (type === undefined) throw new Usage(`--type: must be one of ${TYPES.join(', ')}`)
  if (instruction.trim() === '' && (type === 'edit' || type === 'commit'))
    throw new Usage('send: say what to do, such as: branchline send "make the heading blue"')
  const [clientId, userId, threadId, commandId] = [given.client, given.user, given.thread, given.id ?? randomUUID()]
  const message = {
    clientId,
    userId,
    projectId: given.project,
    threadId,
    instruction,
    type,
    mode: given.plan ? ('plan' as const) : ('execute' as const),
    delivery: deliveryOf(given),
    maxCostUsd: given['max-cost'] === undefined ? undefined : usd(given['max-cost']),
    attachments: await Promise.all((given.attach ?? []).map(attachment)),
    commandId,
    repoUrl: given.repo,
  }
  if (given.queue) {
    await using client = await queueClientFor(given)
    // Whom the environment names counts; without it a message by one pair names its own.
    const { CLIENT_ID, USER_ID, PROJECT_ID } = readConfig()
    const whose = { clientId: CLIENT_ID ?? clientId, userId: USER_ID ?? userId, projectId: PROJECT_ID ?? given.project }
    return told(await client.send({ ...message, ...whose }), given)
  }
  const client = clientFor(given)
  if (given.json) return told(await client.send(message), given)
  await client.post(message)
  const over = new AbortController()
  const result = client.send(message)
  try {
    await Promise.race([watch(client, { clientId, userId, threadId, projectId: given.project }, commandId, over.signal), result.then(() => delay(TAIL_MS))])
  } finally {
    over.abort()
  }
  return told(await result, given)
}

function told(result: Result, { json }: Given): number {
  process.stdout.write(json ? `${JSON.stringify(result)}\n` : ending(result))
  return result.success ? 0 : 1
}

/** The service that the options name. */
export function clientFor(given: Given): Client {
  const file = given['token-file']
  const url = given.url ?? configuredUrl()
  if (!/^https?:\/\//.test(url)) throw new Usage('--url: must begin with http:// or https://')
  // The token of the environment is for the service of this machine, and shown to no other.
  const own = given.url === undefined || loopback(URL.parse(url)?.hostname.replaceAll(/[[\]]/g, '') ?? '')
  return new Client({ url, token: file !== undefined ? readFileSync(file, 'utf8').trim() : own ? readConfig().API_TOKEN : undefined })
}

function configuredUrl(): string {
  const { HOST, PORT } = readConfig()
  if (PORT === 'off') throw new Usage('PORT is off, so the service has no HTTP API: send by --queue, or name another service by --url')
  return `http://${HOST}:${PORT}`
}

async function watch(client: Client, of: Parameters<Client['events']>[0], commandId: string, stop: AbortSignal): Promise<void> {
  let ours = false
  for await (const event of client.events(of, stop)) {
    ours ||= event.type === 'command.accepted' && event.commandId === commandId
    if (!ours || (event.commandId !== undefined && event.commandId !== commandId)) continue
    process.stdout.write(line(event))
    if (event.type === 'run.ended' && event.commandId === commandId) return
  }
}

/** What of an event a person wants to see. */
function line(event: RunEvent): string {
  switch (event.type) {
    case 'agent.said':
      return event.text
    case 'tool.started':
      return `  · ${event.tool} ${printable(event.input, 100)}\n`
    case 'tool.ended':
      return event.failed ? `    failed: ${printable(event.output, 200)}\n` : ''
    case 'progress':
      return `  … ${event.text}\n`
    case 'commit.made':
      return `\n  commit ${event.commit.slice(0, 8)}\n`
    case 'preview.changed':
      return event.state === 'broken' || event.state === 'failed' ? `  preview ${event.state}\n` : ''
    case 'command.accepted':
    case 'run.started':
    case 'files.changed':
    case 'cost.counted':
    case 'question.asked':
    case 'workspace.ready':
    case 'plan.changed':
    case 'step.reached':
    case 'run.ended':
    case 'gap':
      return ''
  }
}

function ending(result: Result): string {
  const files =
    result.filesChanged === undefined
      ? ''
      : `  ${result.filesChanged.length} ${result.filesChanged.length === 1 ? 'file' : 'files'}: ${result.filesChanged.slice(0, 5).join(', ')}${result.filesChanged.length > 5 ? ', …' : ''}\n`
  const where = result.branch === undefined ? '' : `  branch ${result.branch}${result.simulated === true ? ' (simulated)' : ''}\n`
  const broken = (result.pageErrors ?? []).map((error) => `  broken ${printable(error, 1000).replaceAll('\n', '\n         ')}\n`).join('')
  const preview = result.previewUrl === undefined ? '' : `  preview ${result.previewUrl}\n`
  if (result.question !== undefined) return `\n? ${printable(result.question, 4000)}\n${files}${where}  Answer with another message to the same thread.\n`
  return `\n${result.success ? '✓' : '✗'} ${printable(result.success ? (result.summary.split('\n')[0] ?? '') : (result.error ?? result.summary), 2000)}\n${files}${result.success ? broken : ''}${where}${preview}`
}

function deliveryOf({ later, steer }: Given): 'queue' | 'steer' | undefined {
  if (later && steer) throw new Usage('--steer: cannot be together with --later')
  return later ? 'queue' : steer ? 'steer' : undefined
}

function usd(text: string): number {
  const amount = Number(text)
  if (!(amount > 0)) throw new Usage('--max-cost: must be an amount in USD, such as 2.50')
  return amount
}

/** What files are by their names; any other is one that the model cannot read and the agent can use. */
const MEDIA_TYPES: Readonly<Record<string, string>> = {
  '.png': 'image/png',
  '.jpg': 'image/jpeg',
  '.jpeg': 'image/jpeg',
  '.gif': 'image/gif',
  '.webp': 'image/webp',
  '.svg': 'image/svg+xml',
  '.pdf': 'application/pdf',
  '.txt': 'text/plain',
  '.md': 'text/markdown',
  '.csv': 'text/csv',
  '.html': 'text/html',
  '.css': 'text/css',
  '.json': 'application/json',
}

async function attachment(path: string): Promise<{ readonly name: string; readonly mediaType: string; readonly data: string }> {
  try {
    const data = (await readFile(path)).toString('base64')
    return { name: basename(path), mediaType: MEDIA_TYPES[extname(path).toLowerCase()] ?? 'application/octet-stream', data }
  } catch (error) {
    throw new Usage(`--attach: ${path} cannot be read (${messageOf(error)})`)
  }
}
