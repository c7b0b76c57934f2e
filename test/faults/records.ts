import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import type { DynamoDBClient } from '@aws-sdk/client-dynamodb'
import type { RunEvent } from '../../src/command/event.ts'
import { threadKey } from '../../src/command/ids.ts'
import type { CommandRecord, Delivery, ThreadRecord } from '../../src/journal/journal.ts'
import { load } from '../../src/journal/dynamodb/open.ts'
import { Table } from '../../src/journal/dynamodb/table.ts'
import { Values } from '../../src/journal/dynamodb/values.ts'
import { commandFrom, deliveryFrom, threadFrom } from '../../src/journal/sqlite/rows.ts'

/** A thread with everything that is known of it. */
export interface ThreadStory {
  readonly thread: ThreadRecord
  readonly repository: string
  readonly workTree: string
  readonly index: string
  readonly branch: string
  /** In the order of acceptance. */
  readonly commands: readonly CommandRecord[]
  readonly events: readonly RunEvent[]
}

export interface Records {
  readonly threads: readonly ThreadStory[]
  readonly outbox: readonly Delivery[]
}

/** A journal that lies in a table of DynamoDB. */
export interface TableJournal {
  readonly client: DynamoDBClient
  readonly table: string
  readonly key: string
}

/** The same of a workspace whose journal lies in a table. */
export async function readTableRecords(root: string, { client, table, key }: TableJournal): Promise<Records> {
  const database = new DatabaseSync(':memory:')
  const values = new Values(join(root, '.branchline', 'values'))
  await load(new Table(client, table, key, values), values, database)
  return recordsIn(root, database)
}

/** Reads what a workspace folder holds beside a service that may be running on it. */
export function readRecords(root: string): Records {
  return recordsIn(root, new DatabaseSync(join(root, '.branchline', 'journal.sqlite'), { readOnly: true, timeout: 5000 }))
}

function recordsIn(root: string, database: DatabaseSync): Records {
  const own = join(root, '.branchline')
  try {
    const all = (sql: string) => database.prepare(sql).all()
    const names = new Map(all('SELECT scope, id, name FROM names').map((row) => [`${String(row['scope'])} ${String(row['id'])}`, String(row['name'])]))
    const commands = all('SELECT * FROM commands ORDER BY seq').map(commandFrom)
    const threads = all('SELECT * FROM threads ORDER BY slot_number')
      .map(threadFrom)
      .map((thread): ThreadStory => {
        const { clientId, userId, projectId, threadId } = thread.ref
        const name = (scope: string, id: string): string => names.get(`${scope} ${id}`) ?? id
        const user = join(root, name('clients', clientId), name(`users of ${clientId}`, userId))
        const project = name(`projects of ${clientId}/${userId}`, projectId)
        const key = threadKey(thread.ref)
        return {
          thread,
          repository: join(user, project),
          workTree: join(user, '.worktrees', project, thread.slot),
          index: join(own, 'indexes', thread.slot),
          branch: `thread-${name(`threads of ${clientId}/${userId}/${projectId}`, threadId)}`,
          commands: commands.filter(({ command }) => threadKey(command) === key),
          events: eventsOf(join(own, 'events', createHash('sha256').update(key).digest('hex'))),
        }
      })
    return { threads, outbox: all('SELECT * FROM outbox').map(deliveryFrom) }
  } finally {
    database.close()
  }
}

function eventsOf(folder: string): readonly RunEvent[] {
  return ['events.1.jsonl', 'events.jsonl']
    .map((name) => join(folder, name))
    .filter((file) => existsSync(file))
    .flatMap((file) => readFileSync(file, 'utf8').split('\n'))
    .flatMap((line) => {
      try {
        return line === '' ? [] : [JSON.parse(line)]
      } catch {
        return [] // cut off by a kill
      }
    })
}
