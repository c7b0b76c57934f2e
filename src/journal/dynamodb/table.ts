import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import {
  GetItemCommand,
  paginateQuery,
  PutItemCommand,
  TransactionCanceledException,
  TransactWriteItemsCommand,
  UpdateItemCommand,
  type DynamoDBClient,
  type TransactWriteItem,
} from '@aws-sdk/client-dynamodb'
import { NotRecorded, type Answer } from '../journal.ts'
import type { Lease, LeaseStore, Tenure } from '../lease.ts'
import type { Item } from './items.ts'
import type { Values } from './values.ts'

/** A row to write, or the sort key of one to remove. */
export type Change = { readonly put: Item } | { readonly remove: string }

const LEASE = 'lease'
const REDO = 'redo'
/** A transaction takes 100 items (DynamoDB's limit); one of them looks at the lease. */
export const MAX_CHANGES = 99
/** A transaction takes 4 MB. */
const MAX_BYTES = 3_500_000
const FIRST_RETRY_MS = 25
const LONGEST_RETRY_MS = 1000
/** These say that nothing was written, and that nothing would be if it were tried again. */
const REFUSALS = new Set([
  'ValidationException',
  'ResourceNotFoundException',
  'AccessDeniedException',
  'UnrecognizedClientException',
  'CredentialsProviderError',
])

/** Why a transaction was cancelled that may go through a little later. */
const PASSING = new Set(['None', 'TransactionConflict', 'ThrottlingError', 'ProvisionedThroughputExceeded'])

/** The items of one journal: all that have its key. */
export class Table {
  readonly #client: DynamoDBClient
  readonly #name: string
  readonly key: string
  readonly #values: Values
  readonly #folder: string

  /** @param folder names the folder that the journal belongs to */
  constructor(client: DynamoDBClient, name: string, key: string, values: Values, folder = '') {
    this.#client = client
    this.#name = name
    this.key = key
    this.#values = values
    this.#folder = folder
  }

  /** The folder that the journal belongs to, as its last owner has said; `undefined` where it has had none. */
  async folder(): Promise<string | undefined> {
    const { Item: item } = await this.#client.send(new GetItemCommand({ TableName: this.#name, Key: this.#at(LEASE), ConsistentRead: true }))
    return item?.['folder']?.S
  }

  async *items(): AsyncGenerator<Item, void> {
    const query = {
      TableName: this.#name,
      ConsistentRead: true,
      KeyConditionExpression: 'pk = :key',
      ExpressionAttributeValues: { ':key': { S: this.key } },
    }
    for await (const page of paginateQuery({ client: this.#client }, query)) yield* page.Items ?? []
  }

  /**
   * Writes all changes or none, where the lease is still held. Whether a write whose answer was lost has taken place is found out by
   * sending it again (DynamoDB keeps its token for ten minutes), for as long as the lease may be trusted.
   *
   * @throws NotRecorded where nothing was written
   */
  async write(changes: readonly Change[], tenure: Tenure): Promise<Answer> {
    if (changes.length <= MAX_CHANGES && sizeOf(changes) <= MAX_BYTES) return this.#transact(changes, tenure)
    // More than one transaction takes: recorded as a whole first, then written piece by piece, by the next owner if need be.
    const file = await this.#values.put(JSON.stringify(changes))
    const noted = await this.#transact([{ put: { ...this.#at(REDO), file: { S: file } } }], tenure)
    return noted === 'lost' ? 'lost' : this.#redo(changes, file, tenure)
  }

  /** Finishes a write that was recorded as a whole and not written to its end. */
  async finishWrite(tenure: Tenure): Promise<Answer> {
    const { Item: item } = await this.#client.send(new GetItemCommand({ TableName: this.#name, Key: this.#at(REDO), ConsistentRead: true }))
    const file = item?.['file']?.S
    return file === undefined ? 'done' : this.#redo(JSON.parse(await this.#values.get(file)), file, tenure)
  }

  async #redo(changes: readonly Change[], file: string, tenure: Tenure): Promise<Answer> {
    for (let rest = changes; rest.length > 0;) {
      let count = 1
      while (count < Math.min(rest.length, MAX_CHANGES) && sizeOf(rest.slice(0, count + 1)) <= MAX_BYTES) count += 1
      if ((await this.#transact(rest.slice(0, count), tenure, true)) === 'lost') return 'lost'
      rest = rest.slice(count)
    }
    const done = await this.#transact([{ remove: REDO }], tenure, true)
    if (done === 'done') await this.#values.drop([file])
    return done
  }

  /** @param noted is part of what was recorded as a whole: it has to be written, whatever is said of it now */
  async #transact(changes: readonly Change[], tenure: Tenure, noted = false): Promise<Answer> {
    const own: TransactWriteItem = {
      ConditionCheck: {
        TableName: this.#name,
        Key: this.#at(LEASE),
        ConditionExpression: 'epoch = :epoch',
        ExpressionAttributeValues: { ':epoch': { N: String(tenure.epoch) } },
      },
    }
    const TransactItems = [own, ...changes.map((change) => this.#action(change))]
    const command = new TransactWriteItemsCommand({ TransactItems, ClientRequestToken: randomUUID() })
    let unclear = noted
    for (let wait = FIRST_RETRY_MS; tenure.holds(); wait = Math.min(wait * 2, LONGEST_RETRY_MS)) {
      try {
        await this.#client.send(command)
        return 'done'
      } catch (error) {
        if (error instanceof TransactionCanceledException) {
          const [lease, ...rest] = (error.CancellationReasons ?? []).map(({ Code = 'None' }) => Code)
          if (lease === 'ConditionalCheckFailed') tenure.overtaken()
          else if (!noted && !rest.every((code) => PASSING.has(code))) throw new NotRecorded(error)
        } else if (!unclear && error instanceof Error && REFUSALS.has(error.name)) throw new NotRecorded(error)
        else unclear = true
        await delay(wait)
      }
    }
    return 'lost'
  }

  #action = (change: Change): TransactWriteItem =>
    'put' in change ? { Put: { TableName: this.#name, Item: change.put } } : { Delete: { TableName: this.#name, Key: this.#at(change.remove) } }

  #at = (sk: string): Item => ({ pk: { S: this.key }, sk: { S: sk } })

  /** The lease of this journal. */
  get lease(): LeaseStore {
    const [client, table, Key] = [this.#client, this.#name, this.#at(LEASE)]
    const number = (item: Item | undefined, name: string): number => Number(item?.[name]?.N ?? 0)
    const read = async (): Promise<Lease> => {
      const { Item: item } = await client.send(new GetItemCommand({ TableName: table, Key, ConsistentRead: true }))
      const released = item === undefined || item['released']?.BOOL === true
      return { owner: item?.['owner']?.S ?? '', epoch: number(item, 'epoch'), beat: number(item, 'beat'), released }
    }
    const where = async (send: () => Promise<unknown>): Promise<boolean> => {
      try {
        await send()
        return true
      } catch (error) {
        if (error instanceof Error && error.name === 'ConditionalCheckFailedException') return false
        throw error
      }
    }
    const update = (epoch: number, UpdateExpression: string, values: Item): Promise<unknown> =>
      client.send(
        new UpdateItemCommand({
          TableName: table,
          Key,
          ConditionExpression: 'epoch = :epoch',
          UpdateExpression,
          ExpressionAttributeValues: { ':epoch': { N: String(epoch) }, ...values },
        }),
      )
    return {
      read,
      take: async (seen, owner) => {
        const epoch = seen.epoch + 1
        const Item = {
          ...Key,
          owner: { S: owner },
          folder: { S: this.#folder },
          epoch: { N: String(epoch) },
          beat: { N: String(seen.beat + 1) },
          released: { BOOL: false },
        }
        const unseen = { ConditionExpression: 'attribute_not_exists(pk)' }
        const same = {
          ConditionExpression: 'epoch = :epoch AND beat = :beat',
          ExpressionAttributeValues: { ':epoch': { N: String(seen.epoch) }, ':beat': { N: String(seen.beat) } },
        }
        if (await where(() => client.send(new PutItemCommand({ TableName: table, Item, ...(seen.epoch === 0 ? unseen : same) })))) return epoch
        const now = await read() // it may have been ours already, where an answer was lost and the request sent again
        return now.epoch === epoch && now.owner === owner ? epoch : undefined
      },
      renew: (epoch) => where(() => update(epoch, 'ADD beat :one', { ':one': { N: '1' } })),
      release: async (epoch) => void (await where(() => update(epoch, 'SET released = :yes', { ':yes': { BOOL: true } }))),
    }
  }
}

const sizeOf = (changes: readonly Change[]): number => changes.reduce((sum, change) => sum + Buffer.byteLength(JSON.stringify(change)), 0)
