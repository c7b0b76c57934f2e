import { GetItemCommand, paginateQuery, PutItemCommand, type DynamoDBClient } from '@aws-sdk/client-dynamodb'
import { CONTAINER_ROW, ContainerRow, Entry, itemFrom, plain } from './entry.ts'

/** The rows of one container in a table whose keys are `containerId` and `threadId`. */
export interface Rows {
  readonly client: DynamoDBClient
  readonly table: string
  readonly containerId: string
}

const keyOf = ({ containerId }: Rows, threadId: string) => itemFrom({ containerId, threadId })

/** The queues of all threads; a row that is none is passed over and told, one whose time is over is passed over. */
export async function readEntries(rows: Rows, passedOver: (threadId: string, why: string) => void): Promise<readonly Entry[]> {
  const { client, table, containerId } = rows
  // A row that was written just before somebody rang has to be there.
  const query = {
    TableName: table,
    ConsistentRead: true,
    KeyConditionExpression: 'containerId = :id',
    ExpressionAttributeValues: { ':id': { S: containerId } },
  }
  const entries: Entry[] = []
  for await (const { Items = [] } of paginateQuery({ client }, query)) {
    for (const row of Items.map(plain)) {
      if (row['threadId'] === CONTAINER_ROW) continue
      const { success, data, error } = Entry.safeParse(row)
      if (!success) passedOver(String(row['threadId']).slice(0, 200), error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('; '))
      else if (data.ttl === undefined || data.ttl * 1000 > Date.now()) entries.push(data)
    }
  }
  return entries
}

export async function putEntry({ client, table, containerId }: Rows, entry: Entry): Promise<void> {
  await client.send(new PutItemCommand({ TableName: table, Item: itemFrom({ containerId, ...entry }) }))
}

export async function readEntry(rows: Rows, threadId: string): Promise<Entry | undefined> {
  const { Item } = await rows.client.send(new GetItemCommand({ TableName: rows.table, Key: keyOf(rows, threadId), ConsistentRead: true }))
  return Item === undefined ? undefined : Entry.safeParse(plain(Item)).data
}

/** What the container said of itself last; `undefined` where it never has. */
export async function readContainer(rows: Rows): Promise<ContainerRow | undefined> {
  const { Item } = await rows.client.send(new GetItemCommand({ TableName: rows.table, Key: keyOf(rows, CONTAINER_ROW), ConsistentRead: true }))
  return Item === undefined ? undefined : ContainerRow.safeParse(plain(Item)).data
}

/** A container says how it stands: at its start whatever the row says, later where it is still its own; a former one cannot say that it is there. */
export async function putContainer({ client, table, containerId }: Rows, row: ContainerRow, when: 'starting' | 'serving'): Promise<void> {
  await client.send(
    new PutItemCommand({
      TableName: table,
      Item: itemFrom({ containerId, threadId: CONTAINER_ROW, ...row }),
      ...(when === 'starting'
        ? {}
        : {
            ConditionExpression: '#instance = :instance',
            ExpressionAttributeNames: { '#instance': 'instance' },
            ExpressionAttributeValues: { ':instance': { S: row.instance } },
          }),
    }),
  )
}
