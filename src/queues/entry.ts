import type { AttributeValue } from '@aws-sdk/client-dynamodb'
import * as z from 'zod'
import { ThreadId } from '../command/ids.ts'

/** The row of the table that speaks of the container itself; no thread can be called so. */
export const CONTAINER_ROW = '#container'

const url = z.url({ protocol: /^https?$/ })

/** One thread's queues, as they stand in the table. */
export const Entry = z.object({
  threadId: ThreadId,
  inputQueueUrl: url,
  outputQueueUrl: url,
  /** `closed`: not listened to any more. */
  state: z.string().default('active'),
  /** Whoever wrote the row last says when; a change of it is a knock at the door. */
  updatedAt: z.union([z.number(), z.string()]).default(0),
  /** Seconds since the epoch; DynamoDB may keep a row for days after that. */
  ttl: z.number().optional(),
})
export type Entry = z.infer<typeof Entry>

/** What the container says of itself, for senders. */
export const ContainerRow = z.object({
  /** Another one with every start of the container. */
  instance: z.string(),
  state: z.enum(['running', 'stopping', 'stopped']),
  clientId: z.string().optional(),
  projectId: z.string().optional(),
  userId: z.string().optional(),
  /** Where a sender names the thread that it has sent something to. */
  doorbellQueueUrl: url.optional(),
  /** ms since the epoch, renewed every minute while it runs. */
  updatedAt: z.number(),
})
export type ContainerRow = z.infer<typeof ContainerRow>

export type Item = Record<string, AttributeValue>

/** Texts and numbers of an item; all that the rows of this table consist of. */
export const plain = (item: Item): Record<string, unknown> =>
  Object.fromEntries(Object.entries(item).map(([name, { S, N }]) => [name, S ?? (N === undefined ? undefined : Number(N))]))

/** The item of plain values; `undefined` is left out. */
export const itemFrom = (values: Readonly<Record<string, string | number | undefined>>): Item =>
  Object.fromEntries(
    Object.entries(values).flatMap(([name, value]) =>
      value === undefined ? [] : [[name, typeof value === 'number' ? { N: String(value) } : { S: value }] as const],
    ),
  )
