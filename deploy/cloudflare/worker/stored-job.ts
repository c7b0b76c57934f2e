import * as z from 'zod'
import { Attachment, type Carried, type Command } from '../../../src/command/command.ts'
import { CommandId } from '../../../src/command/ids.ts'
import { JobCommand } from '../../../src/command/job.ts'
import { Code, Result } from '../../../src/command/result.ts'
import type { Reply } from '../../../src/journal/journal.ts'
import type { Known } from '../../../src/ways/github/desk.ts'
import type { Row } from './database.ts'

/** As it was handed in; what a container says of it is its own affair. */
export const StoredCommand = JobCommand.extend({
  type: z.enum(['edit', 'merge', 'push']),
  context: z.object({ branch: z.string().max(1000).optional() }).optional(),
})
/** A reason that only a newer Worker knows is left out. */
export const StoredResult = Result.extend({ code: Code.optional().catch(undefined) })
const Texts = z.array(z.object({ commandId: CommandId, instruction: z.string(), attachments: z.array(Attachment) }))
const Replies = z.array(z.object({ way: z.literal('github'), from: z.string(), to: z.string(), id: z.string() }))
const Strings = z.array(z.string())

/** A command that a container carries out. */
export interface StoredJob extends Known {
  readonly command: Command
  readonly seq: number
  readonly state: 'queued' | 'running' | 'ended'
  /** How many containers have taken it. */
  readonly attempt: number
  /** How many it was offered to. */
  readonly offers: number
  /** The container that it is for; that one has it where `givenAt` is there too. */
  readonly instance: string | undefined
  readonly givenAt: number | undefined
  readonly carried: readonly Carried[]
  readonly replies: readonly Reply[]
  /** What former attempts have cost, and this one. */
  readonly costUsd: number
  readonly pushed: string | undefined
  readonly unresolved: readonly string[]
}

export function jobFrom(row: Row): StoredJob {
  const text = (name: string): string | undefined => (typeof row[name] === 'string' ? row[name] : undefined)
  const json = (name: string): unknown => JSON.parse(text(name) ?? 'null')
  return {
    command: StoredCommand.parse(json('command')),
    seq: Number(row['seq']),
    state: z.enum(['queued', 'running', 'ended']).parse(row['state']),
    attempt: Number(row['attempt']),
    offers: Number(row['offers']),
    instance: text('instance'),
    givenAt: typeof row['given_at'] === 'number' ? row['given_at'] : undefined,
    carried: Texts.parse(json('carried')),
    replies: Replies.parse(json('replies')),
    costUsd: Number(row['cost_before']) + Number(row['cost_here']),
    result: text('result') === undefined ? undefined : StoredResult.parse(json('result')),
    pushed: text('pushed'),
    unresolved: Strings.parse(json('unresolved')),
  }
}
