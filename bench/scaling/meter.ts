import { once } from 'node:events'
import { Agent, createServer, request, type IncomingMessage, type ServerResponse } from 'node:http'
import * as z from 'zod'

/** Stands before a server that speaks AWS's JSON protocol, and counts what AWS would have charged for. */
export interface Meter extends AsyncDisposable {
  readonly url: string
  readonly requests: () => number
  /** Of DynamoDB: 1 KB each, double in a transaction. */
  readonly writeUnits: () => number
  /** Of DynamoDB: 4 KB each, strongly consistent. */
  readonly readUnits: () => number
}

const KB = 1024
const Item = z.record(z.string(), z.unknown())
const Transaction = z.object({ TransactItems: z.array(z.object({ Put: z.object({ Item }).optional() })) })
const Single = z.object({ Item: Item.optional() })

export async function startMeter(target: string): Promise<Meter> {
  let [requests, writeUnits, readUnits] = [0, 0, 0]
  const agent = new Agent({ keepAlive: true, maxSockets: 100 })
  const serve = async (incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> => {
    const body = Buffer.concat(await incoming.toArray())
    const { connection: _, host: _host, ...headers } = incoming.headers
    const onward = request(`${target}${incoming.url}`, { agent, method: incoming.method ?? 'POST', headers: { ...headers, host: new URL(target).host } })
    onward.end(body)
    const answer = await new Promise<IncomingMessage>((resolve, reject) => onward.once('response', resolve).once('error', reject))
    const text = Buffer.concat(await answer.toArray())
    requests += 1
    const action = String(incoming.headers['x-amz-target'] ?? '').replace(/^.*\./, '')
    writeUnits += writesOf(action, body)
    readUnits += ['Query', 'GetItem'].includes(action) ? Math.max(1, Math.ceil(text.length / (4 * KB))) : 0
    const { connection: _kept, 'keep-alive': _time, 'transfer-encoding': _form, ...rest } = answer.headers
    outgoing.writeHead(answer.statusCode ?? 502, rest).end(text)
  }
  const server = createServer((incoming, outgoing) => void serve(incoming, outgoing).catch(() => incoming.socket.destroy()))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  return {
    url: `http://127.0.0.1:${address === null || typeof address === 'string' ? 0 : address.port}`,
    requests: () => requests,
    writeUnits: () => writeUnits,
    readUnits: () => readUnits,
    [Symbol.asyncDispose]: async () => {
      const closed = once(server, 'close')
      server.close()
      server.closeAllConnections()
      agent.destroy()
      await closed
    },
  }
}

/** What is removed or only looked at counts as one unit of 1 KB: rows are small. */
export function writesOf(action: string, body: Buffer): number {
  switch (action) {
    case 'TransactWriteItems':
      return Transaction.parse(JSON.parse(body.toString())).TransactItems.reduce((sum, { Put }) => sum + 2 * kilobytes(Put?.Item), 0)
    case 'PutItem':
      return kilobytes(Single.parse(JSON.parse(body.toString())).Item)
    case 'UpdateItem':
    case 'DeleteItem':
      return 1
    default:
      return 0
  }
}

/** DynamoDB counts names and values; the JSON around them is taken off by what a value's type costs there. */
function kilobytes(item: z.output<typeof Item> | undefined): number {
  if (item === undefined) return 1
  const bytes = Object.entries(item).reduce((sum, [name, value]) => sum + name.length + JSON.stringify(value).length - '{"S":""}'.length, 0)
  return Math.max(1, Math.ceil(bytes / KB))
}
