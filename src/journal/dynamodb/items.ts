import type { AttributeValue } from '@aws-sdk/client-dynamodb'
import type { SQLInputValue, SQLOutputValue } from 'node:sqlite'
import { MIGRATIONS } from '../sqlite/migrations.ts'
import type { Values } from './values.ts'

export type Item = Record<string, AttributeValue>

/** What is kept of the journal, table by table; the rest of its schema belongs to the file of one machine. */
export const TABLES = ['commands', 'threads', 'checkpoints', 'names', 'spending', 'spares', 'outbox', 'dead_letters', 'inbox', 'memos'] as const
export type TableName = (typeof TABLES)[number]

/** Above this a text is kept beside the table: five of them fit into one item of at most 400 KB (DynamoDB's limit). */
const MAX_TEXT_BYTES = 64 * 1024

export const sortKeyOf = (table: TableName, rowid: number): string => `row#${table}#${rowid}`

/** The item of a row: its columns under their own names, `null` left out, and the version of the schema that they are of. */
export async function itemOf(key: string, table: TableName, rowid: number, row: Readonly<Record<string, SQLOutputValue>>, values: Values): Promise<Item> {
  const item: Item = { pk: { S: key }, sk: { S: sortKeyOf(table, rowid) }, v: { N: String(MIGRATIONS.length) } }
  for (const [column, value] of Object.entries(row)) {
    if (value === null || column === 'rowid') continue
    if (typeof value !== 'string') item[column] = { N: String(value) }
    else if (Buffer.byteLength(value) <= MAX_TEXT_BYTES) item[column] = { S: value }
    else item[column] = { M: { file: { S: await values.put(value) } } }
  }
  return item
}

/** Names of the files that hold what an item has no room for. */
export const filesOf = (item: Item): readonly string[] => Object.values(item).flatMap(({ M }) => M?.['file']?.S ?? [])

export interface Row {
  readonly table: TableName
  /** Version of the schema that its columns are of. */
  readonly version: number
  /** Columns and their values, the row's number first. */
  readonly columns: readonly string[]
  readonly values: readonly SQLInputValue[]
}

/** `undefined` where the item is no row. */
export async function rowOf(item: Item, values: Values): Promise<Row | undefined> {
  const [, name, rowid] = /^row#(\w+)#(\d+)$/.exec(item['sk']?.S ?? '') ?? []
  const table = TABLES.find((each) => each === name)
  if (table === undefined) return undefined
  const columns = Object.entries(item).filter(([column]) => !['pk', 'sk', 'v'].includes(column) && /^[a-z_]+$/.test(column))
  return {
    table,
    version: Number(item['v']?.N),
    columns: ['rowid', ...columns.map(([column]) => column)],
    values: [Number(rowid), ...(await Promise.all(columns.map(([, value]) => valueOf(value, values))))],
  }
}

const valueOf = async ({ S, N, M }: AttributeValue, values: Values): Promise<SQLInputValue> =>
  S ?? (N === undefined ? values.get(M?.['file']?.S ?? '') : Number(N))
