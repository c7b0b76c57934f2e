import { setTimeout as delay } from 'node:timers/promises'
import { DynamoDBClient } from '@aws-sdk/client-dynamodb'
import { SQSClient } from '@aws-sdk/client-sqs'
import { CommandId, workspaceKey } from '../../command/ids.ts'
import type { Command } from '../../command/command.ts'
import type { Engine } from '../../engine/engine.ts'
import { workspaceOrigin } from '../../engine/inspect.ts'
import type { Deliver } from '../../engine/outbox.ts'
import type { Tools } from '../../engine/tools.ts'
import type { DeadLetter, Refused } from '../../journal/journal.ts'
import { measure } from '../../observe/measure.ts'
import { messageOf } from '../../observe/text.ts'
import { forCalls, forPolls } from '../../queues/aws.ts'
import { answer } from './answers.ts'
import { Container } from './container.ts'
import { DeadLetters } from './dead-letters.ts'
import { Held } from './held.ts'
import { Pair, type Listening, type PollingOf } from './listening.ts'
import type { Served } from './message.ts'
import { take, type Intake } from './take.ts'

/** Where messages come from: one pair of queues, or those of every thread in a table. */
export type Queues =
  | { readonly kind: 'pair'; readonly input: string; readonly output: string }
  | { readonly kind: 'table'; readonly table: string; readonly containerId: string }

export interface WorkerOptions {
  readonly queues: Queues
  readonly region: string | undefined
  /** AWS account that queues in the table have to belong to. */
  readonly account: string | undefined
  readonly prefix: string
  readonly deadLetterQueue: string | undefined
  readonly acknowledge: 'recorded' | 'result'
  readonly maxReceives: number
  /** How often the table is read. */
  readonly tableSeconds: number
  readonly waitSeconds: number
  readonly served: Omit<Served, 'threadId'>
}

/** How often it is asked whether messages can be taken again. */
const READY_MS = 1000

/** Commands come from queues of SQS, and results go there. */
export class SqsWorker implements AsyncDisposable {
  readonly #options: WorkerOptions
  readonly #calls: SQSClient
  readonly #polls: SQSClient
  readonly #table: DynamoDBClient
  readonly #tools: Tools
  readonly #letters: DeadLetters
  readonly #held: Held | undefined
  #listening: Listening | undefined
  #answeredAt: number | undefined
  /** Rings for the outbox. */
  #ring = (): void => {}
  /** Tells that somebody has sent something, be it refused. */
  #touched = (): void => {}

  constructor(options: WorkerOptions, tools: Tools) {
    const { region, deadLetterQueue, acknowledge, waitSeconds } = options
    const { journal, log, redact } = tools
    this.#options = options
    this.#tools = tools
    this.#calls = new SQSClient(forCalls(region))
    this.#polls = new SQSClient(forPolls(region, waitSeconds))
    this.#table = new DynamoDBClient(forCalls(region))
    this.#letters = new DeadLetters(this.#calls, journal, { queue: deadLetterQueue, redact, log })
    this.#held = acknowledge === 'result' ? new Held(this.#calls, log) : undefined
  }

  /** Begins to listen. @throws where it cannot be found out to which queues */
  async start(engine: Engine, { ring, touched }: { readonly ring: () => void; readonly touched: () => void }): Promise<void> {
    this.#ring = ring
    this.#touched = touched
    const { queues, served, account, prefix } = this.#options
    const { log } = this.#tools
    const pollingOf = this.#pollingOf(engine)
    this.#letters.start()
    this.#held?.start()
    this.#listening =
      queues.kind === 'pair'
        ? new Pair({ url: queues.input, output: queues.output, served: { ...served, threadId: undefined } }, pollingOf)
        : new Container({
            rows: { client: this.#table, ...queues },
            refreshMs: this.#options.tableSeconds * 1000,
            client: this.#calls,
            account,
            prefix,
            served,
            pollingOf,
            log,
          })
    await this.#listening.start()
  }

  /** Sends a result to its queue. */
  readonly deliver: Deliver = async (delivery) => {
    if (!delivery.result.success) this.#letters.ring() // it may have been given up
    const { clientId, userId, projectId } = this.#options.served
    const { workspace } = delivery
    const served = { clientId: clientId ?? workspace.clientId, userId: userId ?? workspace.userId, projectId: projectId ?? workspace.projectId }
    const isOurs = workspaceKey(served) === workspaceKey(workspace)
    const outputOf = () => (isOurs ? this.#listening?.outputOf(delivery.threadId) : undefined) // it may be of whom it served before
    await answer(delivery, { client: this.#calls, outputOf, bury: (letter) => this.#bury(letter, undefined) })
    await this.#held?.release({ workspace: delivery.workspace, commandId: CommandId.parse(delivery.result.commandId) })
  }

  /** How many queues there are, and when one has answered last. */
  get health() {
    const counts = this.#listening?.counts ?? { queues: 0, polled: 0 }
    return { ...counts, silentSeconds: this.#answeredAt === undefined ? null : Math.round((performance.now() - this.#answeredAt) / 1000) }
  }

  /** Where dead letters go; `undefined` where the journal keeps them, or where that depends on the queue that each came from. */
  async deadLetterQueue(): Promise<string | undefined> {
    const { queues } = this.#options
    return this.#letters.queueFor(queues.kind === 'pair' ? queues.input : undefined)
  }

  /** Looks once more for messages, before an end that nobody asked for. Answers whether there were any; then it goes on. */
  async lastLook(): Promise<boolean> {
    return (await this.#listening?.lastLook()) ?? false
  }

  /** Begins no poll any more. */
  async finish(): Promise<void> {
    await this.#listening?.finish()
  }

  /** Whether a message has come after the last look, whose sender would not call again. */
  async isAwaited(): Promise<boolean> {
    return (await this.#listening?.isAwaited()) ?? false
  }

  /** It goes on after all. */
  async stay(): Promise<void> {
    await this.#listening?.stay()
  }

  /** Listens no more; what was received by then is recorded, or given back. */
  async stopListening(): Promise<void> {
    await this.#listening?.[Symbol.asyncDispose]()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stopListening()
    await this.#held?.[Symbol.asyncDispose]()
    await this.#letters[Symbol.asyncDispose]()
    for (const client of [this.#calls, this.#polls, this.#table]) client.destroy()
  }

  #pollingOf(engine: Engine): PollingOf {
    const { waitSeconds, maxReceives } = this.#options
    const { log } = this.#tools
    const intake: Intake = {
      client: this.#calls,
      accept: (command, reply) => engine.accept(command, 'sqs', reply),
      repositoryProblem: (command) => repositoryProblem(command, this.#tools),
      bury: (letter, refused) => this.#bury(letter, refused),
      held: this.#held,
      maxReceives,
      log,
    }
    const ready = async (stop: AbortSignal): Promise<void> => {
      while ((await engine.health()) !== 'healthy') await delay(READY_MS, undefined, { signal: stop })
    }
    return (source, heard) => ({
      client: this.#polls,
      url: source.url,
      waitSeconds,
      ready,
      take: (messages) => take(source, messages, intake),
      answered: (count) => {
        this.#answeredAt = performance.now()
        if (count > 0) {
          this.#touched()
          heard()
        }
      },
      failed: (error, times) => log.warn({ event: 'queue.not_read', queue: source.url, times, error: messageOf(error) }),
    })
  }

  /** The result of a command that was accepted under the same id is the only one that its sender gets. */
  async #bury(letter: DeadLetter, refused: Refused | undefined): Promise<void> {
    const { journal } = this.#tools
    const commandId = CommandId.safeParse(refused?.result.commandId).data
    const known = refused === undefined || commandId === undefined || (await journal.command({ workspace: refused.thread, commandId })) !== undefined
    await journal.bury(letter, known ? undefined : refused)
    measure('dead_letters_total', 1, { why: 'refused' })
    this.#letters.ring()
    this.#ring()
  }
}

/** A workspace keeps the repository that it began from. */
async function repositoryProblem(command: Command, tools: Tools): Promise<string | undefined> {
  if (command.repoUrl === undefined) return undefined
  const { known, url } = await workspaceOrigin(command, tools)
  return !known || url === command.repoUrl ? undefined : `repoUrl: this workspace began from ${url ?? 'a repository without origin'}`
}
