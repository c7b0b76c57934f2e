import { once } from 'node:events'
import { accessSync, chmodSync, constants } from 'node:fs'
import { createRequire } from 'node:module'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { CreateTableCommand, DynamoDBClient, UpdateTimeToLiveCommand } from '@aws-sdk/client-dynamodb'
import { AWS_CLIENT, AWS_ENV, startServerProcess, type ServerProcess } from './server-process.ts'

/** DynamoDB as far as `dynoxide` goes; what was acknowledged outlives a kill. */
export interface TableServer extends ServerProcess {
  /** For a program that reaches the tables. */
  readonly env: Readonly<Record<string, string>>
  readonly client: DynamoDBClient
  /** One item for each thread of a container; items end at `ttl`. */
  createQueueTable(name: string): Promise<void>
  createJournalTable(name: string): Promise<void>
}

const binary = findBinary()
/** This platform has the server. */
export const tableServerSupported = binary !== undefined

export async function startTableServer(): Promise<TableServer> {
  if (binary === undefined) throw new Error(`there is no table server for ${process.platform}-${process.arch}`)
  const server = await startServerProcess({
    program: binary,
    arguments: (at, place) => ['serve', '--host', '127.0.0.1', '--port', String(at), '--db-path', join(place, 'tables.db')],
    ready: /listening on http:\/\/127\.0\.0\.1:(\d+)\n/,
    port: await freePort(), // it does not say which one port 0 became
    folder: undefined,
  })
  const client = new DynamoDBClient({ endpoint: server.url, ...AWS_CLIENT })
  const create = async (name: string, hash: string, range: string): Promise<void> => {
    await client.send(
      new CreateTableCommand({
        TableName: name,
        BillingMode: 'PAY_PER_REQUEST',
        AttributeDefinitions: [hash, range].map((attribute) => ({ AttributeName: attribute, AttributeType: 'S' })),
        KeySchema: [
          { AttributeName: hash, KeyType: 'HASH' },
          { AttributeName: range, KeyType: 'RANGE' },
        ],
      }),
    )
  }
  return {
    ...server,
    env: { AWS_ENDPOINT_URL_DYNAMODB: server.url, ...AWS_ENV },
    client,
    createQueueTable: async (name) => {
      await create(name, 'containerId', 'threadId')
      await client.send(new UpdateTimeToLiveCommand({ TableName: name, TimeToLiveSpecification: { Enabled: true, AttributeName: 'ttl' } }))
    },
    createJournalTable: (name) => create(name, 'pk', 'sk'),
    [Symbol.asyncDispose]: async () => {
      client.destroy()
      await server[Symbol.asyncDispose]()
    },
  }
}

/** Made executable where the package was unpacked without that. */
function findBinary(): string | undefined {
  const require = createRequire(import.meta.url)
  const tables = createRequire(require.resolve('branchline-test-tables/package.json'))
  let found: string
  try {
    found = tables.resolve(`@dynoxide/${process.platform}-${process.arch}/dynoxide`)
  } catch {
    return undefined // it is installed for the platforms only that it is made for
  }
  try {
    accessSync(found, constants.X_OK)
  } catch {
    chmodSync(found, 0o755)
  }
  return found
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  return address === null || typeof address === 'string' ? 0 : address.port
}
