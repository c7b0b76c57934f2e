import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { z } from 'zod'
import { repositoryPart, user, type Shape } from './accounts.ts'
import { botOf, findRepository, fullName, isPull, type Issue, type Pull, type Repository, type State } from './state.ts'
import { deliver, type Delivered, type DeliverOptions } from './webhooks.ts'

const require = createRequire(import.meta.url)
const shape = z.record(z.string(), z.unknown())
const collection = z.array(z.object({ name: z.string(), examples: z.array(shape) }))
let kept: z.infer<typeof collection> | undefined

/** A payload that GitHub has sent, as others have kept it; of the beginning, where nobody has kept this action. */
export function keptPayload(event: string, action?: string): Shape {
  kept ??= collection.parse(JSON.parse(readFileSync(require.resolve('@octokit/webhooks-examples'), 'utf8')))
  const examples = kept.find(({ name }) => name === event)?.examples ?? []
  const wanted = [action, 'opened', 'created'].flatMap((one) => examples.find((example) => example['action'] === one) ?? [])
  const found = wanted[0]
  if (found === undefined) throw new Error(`nobody has kept a payload of ${event}`)
  return { ...structuredClone(found), ...(action === undefined ? {} : { action }) }
}

/** What goes with every event that a helper sends. */
export interface Sending extends DeliverOptions {
  /** The login that did it; `alice`, if nothing is said. */
  readonly by?: string
  /** Full name of the repository; the first, if nothing is said. */
  readonly in?: string
}

export function repositoryFor(state: State, { in: name }: Sending): Repository {
  const [owner = '', repo = ''] = (name ?? fullNameOfFirst(state)).split('/')
  const found = findRepository(state, owner, repo)
  if (found === undefined) throw new Error(`the double has no repository ${owner}/${repo}`)
  return found
}
const fullNameOfFirst = ({ repositories: [first] }: State): string => (first === undefined ? '' : fullName(first))

export function issueFor(state: State, number: number, sending: Sending): { readonly repository: Repository; readonly issue: Issue } {
  const repository = repositoryFor(state, sending)
  const issue = repository.issues.find((one) => one.number === number)
  if (issue === undefined) throw new Error(`${fullName(repository)} has no #${number}`)
  return { repository, issue }
}

export function pullFor(state: State, number: number, sending: Sending): { readonly repository: Repository; readonly pull: Pull } {
  const { repository, issue } = issueFor(state, number, sending)
  if (!isPull(issue)) throw new Error(`#${number} is no pull request`)
  return { repository, pull: issue }
}

/** A kept payload, of which our repository, installation and sender have become a part, and then what else is given. */
export function send(state: State, event: string, action: string | undefined, repository: Repository, parts: Shape, sending: Sending): Promise<Delivered> {
  const example = keptPayload(event, action)
  const filled = Object.entries(parts).map(([key, part]) => [key, isShape(part) && isShape(example[key]) ? { ...example[key], ...part } : part])
  const payload = {
    ...example,
    ...Object.fromEntries(filled),
    repository: { ...(isShape(example['repository']) ? example['repository'] : {}), ...repositoryPart(state, repository) },
    organization: user(state, repository.owner),
    installation: { id: repository.installationId, node_id: `MDIzOkludGVncmF0aW9u${repository.installationId}` },
    sender: user(state, sending.by ?? 'alice'),
  }
  return deliver(state, event, payload, sending)
}

/** Where it is wished, the app hears of what it does itself, as on GitHub. */
export function echo(state: State, event: string, action: string, repository: Repository, parts: Shape): void {
  if (state.echo && state.webhookUrl !== undefined) void send(state, event, action, repository, parts, { by: botOf(state.app) })
}

const isShape = (value: unknown): value is Shape => shape.safeParse(value).success
