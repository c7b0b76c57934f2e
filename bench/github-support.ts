import { spawn } from 'node:child_process'
import { createHmac } from 'node:crypto'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { GitHub } from '../test/support/github/github.ts'
import type { Load, Outcome } from './github-load.ts'
import { inTurns, median } from './support.ts'

const here = (name: string): string => fileURLToPath(new URL(name, import.meta.url))
const LOOK_MS = 20
const DEADLINE_MS = 120_000
/** Somebody who may not ask for anything. */
const STRANGER = 'mallory'

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

/**
 * Comments that mention the app, as GitHub would send them, each one new. GitHub's part in what follows is not to take a processor
 * that it would not take there: the double looks for the settings by git.
 */
async function commentsOfStranger(
  github: GitHub,
  { deliveries, issues }: { readonly deliveries: number; readonly issues: number },
): Promise<(round: number) => readonly Delivery[]> {
  github.permissions.set(STRANGER, 'read')
  github.fault({
    match: (_, path) => decodeURIComponent(path).endsWith('/contents/.github/branchline.yml'),
    status: 404,
    times: Infinity,
    body: { message: 'Not Found' },
  })
  const { number } = await github.openIssue({ title: 'Of a stranger', body: 'Nothing comes of it.', by: STRANGER })
  await github.comment(number, { body: `@${github.app.slug} do it anyway`, by: STRANGER })
  const payload = github.deliveries.at(-1)?.payload ?? {}
  let last = 1_000_000
  return (round) =>
    Array.from({ length: deliveries }, (_, at) => {
      const id = (last += 1)
      const parts = { issue: { ...Object(payload['issue']), number: number + (at % issues) }, comment: { ...Object(payload['comment']), id } }
      return signed(github, 'issue_comment', `bench-${round}-${id}`, { ...payload, ...parts })
    })
}

interface WebhookLoad {
  readonly rounds: number
  readonly deliveries: number
  readonly connections: number
  readonly issues: number
}

/**
 * From a webhook to its answer, in ms, for what is measured and a bare receiver in turns, while comments of somebody pour in who may not ask
 * for anything.
 *
 * @param said what is told where not all are taken
 */
export async function webhooks(
  github: GitHub,
  { ours, bare }: { readonly ours: string; readonly bare: string },
  { rounds, deliveries: many, connections, issues }: WebhookLoad,
  said: () => string,
) {
  const comments = await commentsOfStranger(github, { deliveries: many, issues })
  const asked = (): number => github.requests.filter(({ path }) => path.endsWith(`/collaborators/${STRANGER}/permission`)).length
  const before = asked()
  let expected = 0
  const load = async (url: string, deliveries: readonly Delivery[]): Promise<readonly number[]> => {
    const { times, statuses } = await send({ url, connections, deliveries: [...deliveries] })
    if (statuses[202] !== many) throw new Error(`not all were taken: ${JSON.stringify(statuses)}\n${said().slice(-5000)}`)
    return times
  }
  const times = await inTurns(rounds, {
    ours: async (round) => {
      const found = await load(ours, comments(round))
      expected += many
      await until(() => asked() - before >= expected, 'whether the stranger may ask') // what it does behind the answer is not to meet the other side
      return found
    },
    bare: (round) => load(bare, comments(round)),
  })
  const of = (share: number) => ({ ours: times.ours.map(percentile(share)), baseline: times.bare.map(percentile(share)) })
  return { p50: of(0.5), p99: of(0.99) }
}

/** When the next POST to such a path arrives at GitHub. */
export async function arrival(github: GitHub, end: string): Promise<number> {
  const { reached, release } = github.hold((method, path) => method === 'POST' && path.startsWith('/repos/acme/site/') && path.endsWith(end))
  await reached
  const at = performance.now()
  release()
  return at
}

const percentile =
  (share: number) =>
  (times: readonly number[]): number =>
    times.toSorted((a, b) => a - b)[Math.ceil(times.length * share) - 1] ?? median(times)

export async function until(done: () => boolean | Promise<boolean>, what: string): Promise<void> {
  for (const end = performance.now() + DEADLINE_MS; !(await done()); await delay(LOOK_MS)) {
    if (performance.now() > end) throw new Error(`${what}: not in time`)
  }
}
