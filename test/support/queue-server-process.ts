// Takes a port and a folder; writes one line with its port when it listens, and ends with whoever started it.
import { Server } from 'node:net'
import { startFauxqs } from 'fauxqs'

interface Store {
  prototype: { buildQueueUrl: (name: string, port: string, host: string) => string }
}

const [port = '0', dataDir = ''] = process.argv.slice(2)

// It would listen on every address.
const listen = Server.prototype.listen
Server.prototype.listen = function (this: Server, options: object, ...others: unknown[]) {
  return Reflect.apply(listen, this, [{ ...options, host: '127.0.0.1' }, ...others])
} as typeof listen

// Its URLs are below `localhost`, which does not resolve everywhere; and without an endpoint in its code the SDK goes where a queue's URL says.
const { SqsStore } = (await import(new URL('sqs/sqsStore.js', import.meta.resolve('fauxqs')).href)) as { readonly SqsStore: Store }
SqsStore.prototype.buildQueueUrl = (name, _port, host) => `http://${host}/000000000000/${name}`

// It loses a message that is given back with a visibility of 0: it writes NULL where its own table takes none.
interface Kept {
  readonly db: { prepare(sql: string): { run(...values: string[]): unknown } }
}
const { PersistenceManager } = (await import(new URL('persistence.js', import.meta.resolve('fauxqs')).href)) as {
  readonly PersistenceManager: { prototype: { updateMessageReady: (this: Kept, messageId: string) => void } }
}
PersistenceManager.prototype.updateMessageReady = function (messageId) {
  this.db.prepare('UPDATE sqs_messages SET receipt_handle = NULL, visibility_deadline = NULL WHERE message_id = ?').run(messageId)
}

process.stdin.resume().once('close', () => process.exit())
const server = await startFauxqs({ port: Number(port), logger: false, dataDir })
console.log(`listens on ${server.port}`)
