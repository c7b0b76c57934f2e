import { spawn } from 'node:child_process'
import { createHmac } from 'node:crypto'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { GitHub } from '../test/support/github/github.ts'
import type { Load, Outcome } from './github-load.ts'

const here = (name: string): string => fileURLToPath(new URL(name, import.meta.url))
const LOOK_MS = 20
const DEADLINE_MS = 120_000

/** The bare receiver, in a process of its own. */
export async function startBareReceiver(secret: string): Promise<{ readonly url: string } & AsyncDisposable> {
  const child = spawn(process.execPath, [here('github-bare.ts'), secret], { stdio: ['pipe', 'pipe', 'inherit'] })
  const [url] = await once(child.stdout, 'data')
  return {
    url: String(url).trim(),
    [Symbol.asyncDispose]: async () => {
      const exited = once(child, 'exit')
      child.kill('SIGKILL')
      await exited
    },
  }
}

/** Sends all of it from a process of its own. */
export async function send(load: Load): Promise<Outcome> {
  const child = spawn(process.execPath, [here('github-load.ts')], { stdio: ['pipe', 'pipe', 'inherit'] })
  child.stdin.end(JSON.stringify(load))
  const [said, [code]] = await Promise.all([text(child.stdout), once(child, 'exit')])
  if (code !== 0) throw new Error(`what sends webhooks ended with ${code}`)
  return JSON.parse(said)
}

export type Delivery = Load['deliveries'][number]

/** A delivery as GitHub signs it. */
export function signed({ app }: GitHub, event: string, id: string, payload: unknown): Delivery {
  const body = JSON.stringify(payload)
  return { body, headers: headersOf(event, id, createHmac('sha256', app.webhookSecret).update(body).digest('hex')) }
}

/** A delivery that somebody made up. */
export const forged = (id: string, content: { readonly body: string } | { readonly megabytes: number }): Delivery => ({
  ...content,
  headers: headersOf('issues', id, '0'.repeat(64)),
})

const headersOf = (event: string, id: string, signature: string): Record<string, string> => ({
  'content-type': 'application/json',
  'user-agent': 'GitHub-Hookshot/bench',
  'x-github-delivery': id,
  'x-github-event': event,
  'x-hub-signature-256': `sha256=${signature}`,
})

export async function until(done: () => boolean | Promise<boolean>, what: string): Promise<void> {
  for (const end = performance.now() + DEADLINE_MS; !(await done()); await delay(LOOK_MS)) {
    if (performance.now() > end) throw new Error(`${what}: not in time`)
  }
}
