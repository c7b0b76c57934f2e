import { createHmac, randomUUID } from 'node:crypto'
import { z } from 'zod'
import type { Shape } from './accounts.ts'
import { now, type State } from './state.ts'

export interface DeliverOptions {
  /** To sign with, in place of the app's. */
  readonly secret?: string
  /** In place of a new one: the same again is a redelivery. */
  readonly guid?: string
  /** It is never sent; GitHub's log has it as failed. */
  readonly lost?: boolean
  /** Changes what is sent, after it was signed. */
  readonly tamper?: (body: string) => string
  /** In place of GitHub's, or taken away. */
  readonly headers?: Readonly<Record<string, string | undefined>>
}

export interface Delivered {
  /** 0 where nobody answered. */
  readonly status: number
  readonly body: string
  readonly guid: string
}

/** GitHub waits no longer. */
const PATIENCE_MS = 10_000
const known = z.object({
  action: z.string().optional(),
  installation: z.object({ id: z.number() }).optional(),
  repository: z.object({ id: z.number() }).optional(),
})

/** Sends an event as GitHub does and keeps it in the log of deliveries. */
export async function deliver(state: State, event: string, payload: Shape, options: DeliverOptions = {}): Promise<Delivered> {
  const { guid = randomUUID(), lost = false, tamper = (body) => body } = options
  const body = JSON.stringify(payload)
  const headers = headersOf(state, event, body, { ...options, guid })
  const began = performance.now()
  const { code, status, text } = lost ? { code: 502, status: 'failed to connect to host', text: '' } : await post(state, tamper(body), headers)
  const { action = null, installation, repository } = known.parse(payload)
  state.deliveries.push({
    id: state.next(),
    guid,
    event,
    action,
    deliveredAt: now(),
    duration: (performance.now() - began) / 1000,
    status,
    statusCode: code,
    url: state.webhookUrl ?? '',
    installationId: installation?.id ?? null,
    repositoryId: repository?.id ?? null,
    headers,
    payload: z.record(z.string(), z.unknown()).parse(JSON.parse(body)),
    answer: text,
    redelivery: state.deliveries.some((one) => one.guid === guid),
  })
  return { status: status.startsWith('failed') || status === 'timed out' ? 0 : code, body: text, guid }
}

function headersOf(
  state: State,
  event: string,
  body: string,
  { secret = state.app.webhookSecret, guid = '', headers = {} }: DeliverOptions,
): Record<string, string> {
  const sign = (algorithm: string): string => `${algorithm}=${createHmac(algorithm, secret).update(body).digest('hex')}`
  const all: Record<string, string | undefined> = {
    Accept: '*/*',
    'Content-Type': 'application/json',
    'User-Agent': 'GitHub-Hookshot/44ea343',
    'X-GitHub-Delivery': guid,
    'X-GitHub-Event': event,
    'X-GitHub-Hook-ID': String(state.app.id + 1),
    'X-GitHub-Hook-Installation-Target-ID': String(state.app.id),
    'X-GitHub-Hook-Installation-Target-Type': 'integration',
    'X-Hub-Signature': sign('sha1'),
    'X-Hub-Signature-256': sign('sha256'),
    ...headers,
  }
  return Object.fromEntries(Object.entries(all).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])))
}

interface Sent {
  readonly code: number
  readonly status: string
  readonly text: string
}

async function post({ webhookUrl }: State, body: string, headers: Readonly<Record<string, string>>): Promise<Sent> {
  if (webhookUrl === undefined) throw new Error('where to? call github.sendTo first')
  try {
    const response = await fetch(webhookUrl, { method: 'POST', body, headers, redirect: 'manual', signal: AbortSignal.timeout(PATIENCE_MS) })
    return { code: response.status, status: response.ok ? 'OK' : `Invalid HTTP Response: ${response.status}`, text: await response.text() }
  } catch (error) {
    const late = error instanceof Error && error.name === 'TimeoutError'
    return late ? { code: 504, status: 'timed out', text: '' } : { code: 502, status: 'failed to connect to host', text: '' }
  }
}
