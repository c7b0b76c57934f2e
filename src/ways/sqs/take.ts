import {
  ChangeMessageVisibilityCommand,
  DeleteMessageBatchCommand,
  type DeleteMessageBatchRequestEntry,
  type Message,
  type SQSClient,
} from '@aws-sdk/client-sqs'
import type { Command } from '../../command/command.ts'
import type { Result } from '../../command/result.ts'
import type { Acceptance } from '../../engine/acceptance.ts'
import { refOf, type DeadLetter, type Refused, type Reply } from '../../journal/journal.ts'
import type { Log } from '../../observe/log.ts'
import { measure } from '../../observe/measure.ts'
import { messageOf } from '../../observe/text.ts'
import { isFifo } from '../../queues/aws.ts'
import type { Held } from './held.ts'
import { readBody, type About, type Served } from './message.ts'

/** A queue that messages come from, the one that their results go to, and whose they are. */
export interface Source {
  readonly url: string
  readonly output: string
  readonly served: Served
}

/** What taking a message works with. */
export interface Intake {
  readonly client: SQSClient
  readonly accept: (command: Command, reply: Reply) => Promise<Acceptance>
  /** What is wrong with the repository that a command names. */
  readonly repositoryProblem: (command: Command) => Promise<string | undefined>
  /** Keeps a dead letter, and tells its sender where that is known. */
  readonly bury: (letter: DeadLetter, refused: Refused | undefined) => Promise<void>
  /** Messages that are kept until their result has been sent; `undefined` where each is deleted when it is recorded. */
  readonly held: Held | undefined
  /** How often a message may be received without being recorded. */
  readonly maxReceives: number
  readonly log: Log
}

type Fate = 'delete' | 'held' | 'give back' | 'later'

/** Seconds after which a message that could not be recorded comes again: 2, 4, … at most this. */
const LATEST_SECONDS = 60

/**
 * Takes a batch of messages: each is recorded or refused, durably, and only then deleted. Those of one thread are taken in the order
 * in which they came.
 */
export async function take(source: Source, messages: readonly Message[], intake: Intake): Promise<void> {
  const lines = Map.groupBy(messages, ({ Body }) => threadNamed(Body ?? ''))
  const fates = new Map<Message, Fate>()
  await Promise.all([...lines.values()].map((line) => takeInOrder(line, source, intake, fates)))
  await remove(
    source.url,
    messages.filter((message) => fates.get(message) === 'delete'),
    intake,
  )
}

/** Enough to keep messages of one thread in order; what is wrong with it is found by `readBody`. */
const threadNamed = (body: string): string => /"chatThreadId"\s*:\s*"([^"]*)"/.exec(body)?.[1] ?? ''

async function takeInOrder(line: readonly Message[], source: Source, intake: Intake, fates: Map<Message, Fate>): Promise<void> {
  for (const [at, message] of line.entries()) {
    const fate = await takeOne(message, source, intake).catch((error: unknown): Fate => {
      intake.log.warn({ event: 'message.not_recorded', queue: source.url, messageId: message.MessageId, err: error })
      return 'later'
    })
    fates.set(message, fate)
    tellTaken(message, fate)
    if (fate === 'delete' || fate === 'held') continue
    // Those behind it must not overtake it.
    const seconds = fate === 'give back' ? 0 : Math.min(LATEST_SECONDS, 2 ** receivesOf(message))
    for (const back of line.slice(at)) await giveBack(source.url, back, seconds, intake)
    return
  }
}

function tellTaken({ Attributes }: Message, fate: Fate): void {
  const sentAt = Number(Attributes?.['SentTimestamp'])
  if (Number.isFinite(sentAt)) measure('queue_message_age_seconds', Math.max(0, Date.now() - sentAt) / 1000, {})
  measure('queue_messages_total', 1, { fate: fate === 'delete' || fate === 'held' ? 'taken' : 'again' })
}

const receivesOf = ({ Attributes }: Message): number => Number(Attributes?.['ApproximateReceiveCount'] ?? 1)

async function takeOne(message: Message, source: Source, intake: Intake): Promise<Fate> {
  const body = message.Body ?? ''
  const read = readBody(body, source.served)
  if (read.kind === 'unfit') return refuse(read.about, read.problems.join('; '), body, source, intake)
  const { command } = read
  const refused = (reason: string): Promise<Fate> => refuse(command, reason, body, source, intake)
  const reply: Reply = { way: 'sqs', from: source.url, to: source.output, id: message.MessageId ?? '' }
  let accepted: Acceptance
  try {
    const problem = await intake.repositoryProblem(command)
    if (problem !== undefined) return await refused(problem)
    accepted = await intake.accept(command, reply)
  } catch (error) {
    if (receivesOf(message) < intake.maxReceives) throw error
    return refused(`could not be recorded, though it was received ${receivesOf(message)} times: ${messageOf(error)}`)
  }
  switch (accepted.kind) {
    case 'accepted':
    case 'duplicate':
      // A message that is kept on a FIFO queue would hold back the next one of its thread, the interrupting one.
      if (intake.held === undefined || isFifo(source.url) || accepted.record.state === 'ended') return 'delete'
      intake.held.hold(refOf(command), { url: source.url, id: message.MessageId ?? '', receiptHandle: message.ReceiptHandle ?? '', body })
      return 'held'
    case 'conflict':
      return refused(`commandId: ${command.commandId} was used before for another command`)
    case 'closed':
    case 'full':
    case 'backlog':
      return 'give back'
  }
}

/** A message that does not fit is kept as a dead letter; its sender is told where that can be. */
async function refuse(about: About, reason: string, body: string, source: Source, intake: Intake): Promise<Fate> {
  const at = Date.now()
  const { commandId, threadId, sessionId, clientId, userId, projectId } = about
  const known = commandId !== undefined && threadId !== undefined && clientId !== undefined && userId !== undefined && projectId !== undefined
  const error = `The message was not accepted. ${reason}`
  const result: Result = {
    sessionId: sessionId ?? threadId ?? '',
    commandId: commandId ?? '',
    timestamp: at,
    success: false,
    summary: error,
    error,
    code: 'rejected',
  }
  await intake.bury(
    { at, reason, source: source.url, threadId, commandId, body },
    known ? { thread: { clientId, userId, projectId, threadId }, to: source.output, result } : undefined,
  )
  intake.log.warn({ event: 'message.refused', queue: source.url, commandId, threadId, reason })
  return 'delete'
}

async function remove(url: string, messages: readonly Message[], { client, log }: Intake): Promise<void> {
  if (messages.length === 0) return
  const Entries = messages.map(({ ReceiptHandle }, at): DeleteMessageBatchRequestEntry => ({ Id: String(at), ReceiptHandle }))
  try {
    const { Failed = [] } = await client.send(new DeleteMessageBatchCommand({ QueueUrl: url, Entries }))
    if (Failed.length > 0) log.warn({ event: 'message.not_deleted', queue: url, count: Failed.length, code: Failed[0]?.Code })
  } catch (error) {
    log.warn({ event: 'message.not_deleted', queue: url, count: messages.length, error: messageOf(error) }) // it comes again, as a duplicate
  }
}

async function giveBack(url: string, { ReceiptHandle }: Message, seconds: number, { client, log }: Intake): Promise<void> {
  await client
    .send(new ChangeMessageVisibilityCommand({ QueueUrl: url, ReceiptHandle, VisibilityTimeout: seconds }))
    .catch((error: unknown) => log.warn({ event: 'message.not_given_back', queue: url, error: messageOf(error) })) // it comes back when its time is over
}
