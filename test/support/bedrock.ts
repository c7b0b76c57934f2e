import { sign } from 'aws4'
import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http'
import { text } from 'node:stream/consumers'
import { crc32 } from 'node:zlib'

export interface BedrockRequest {
  readonly url: string
  readonly headers: IncomingHttpHeaders
  readonly body: string
  /** Why the request would be refused by Amazon. */
  readonly problem: string | undefined
}

export interface FakeBedrock extends AsyncDisposable {
  readonly url: string
  readonly requests: readonly BedrockRequest[]
}

interface Account {
  readonly region: string
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly sessionToken: string
  /** What answers, in the words of the Messages API; without it the answer is empty. */
  readonly model?: string
}

/** Speaks Amazon Bedrock for a model that speaks the Messages API, and checks signatures by another implementation than the service's. */
export async function startBedrock(account: Account): Promise<FakeBedrock> {
  const requests: BedrockRequest[] = []
  const server = createServer((request, response) => void serve(request, response))
  const serve = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const body = await text(request)
    const problem = problemOf(account, request, body)
    requests.push({ url: request.url ?? '', headers: request.headers, body, problem })
    if (problem === undefined) await answer(account.model, request.url ?? '', body, response)
    else response.writeHead(403, { 'content-type': 'application/json' }).end(JSON.stringify({ message: problem }))
  }
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  return {
    url: `http://127.0.0.1:${address === null || typeof address === 'string' ? 0 : address.port}`,
    requests,
    [Symbol.asyncDispose]: async () => {
      server.close()
      server.closeAllConnections()
      await once(server, 'close')
    },
  }
}

function problemOf({ region, ...credentials }: Account, { method, url, headers }: IncomingMessage, body: string): string | undefined {
  const { authorization = '' } = headers
  if (authorization.startsWith('Bearer ')) return undefined
  if (headers['x-amz-security-token'] !== credentials.sessionToken) return 'the session token is not that of the account'
  const names = /SignedHeaders=([^,]+)/.exec(authorization)?.[1]?.split(';') ?? []
  if (!['host', 'x-amz-date', 'x-amz-security-token'].every((name) => names.includes(name))) return 'a header is not signed'
  const signed = sign(
    {
      service: 'bedrock',
      region,
      method: method ?? '',
      path: url ?? '',
      headers: Object.fromEntries(names.map((name) => [name, String(headers[name])])),
      body,
      extraHeadersToInclude: Object.fromEntries(names.map((name) => [name, true])),
    },
    credentials,
  )
  return signed.headers['Authorization'] === authorization ? undefined : 'the signature is another one'
}

async function answer(model: string | undefined, url: string, body: string, response: ServerResponse): Promise<void> {
  const [, id = '', verb] = /\/model\/([^/]+)\/([\w-]+)$/.exec(url) ?? []
  const streams = verb === 'invoke-with-response-stream'
  if (model === undefined) return void response.end('{}')
  const { anthropic_version: _, anthropic_beta: __, ...asked } = JSON.parse(body)
  const answered = await fetch(`${model}/v1/messages`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'anthropic-version': '2023-06-01', 'x-api-key': 'x' },
    body: JSON.stringify({ ...asked, model: decodeURIComponent(id), stream: streams }),
  })
  if (!streams || !answered.ok) return void response.writeHead(answered.status, { 'content-type': 'application/json' }).end(await answered.text())
  response.writeHead(200, { 'content-type': 'application/vnd.amazon.eventstream' })
  let rest = ''
  for await (const chunk of answered.body?.pipeThrough(new TextDecoderStream()) ?? []) {
    const lines = (rest + chunk).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) if (line.startsWith('data:')) response.write(frame(line.slice(5).trim()))
  }
  response.end()
}

/** A message of Amazon's event-stream encoding: lengths, their checksum, headers, payload, the checksum of all. */
function frame(event: string): Buffer {
  const payload = Buffer.from(JSON.stringify({ bytes: Buffer.from(event).toString('base64'), p: 'abcdefgh' }))
  const headers = Buffer.concat([header(':event-type', 'chunk'), header(':content-type', 'application/json'), header(':message-type', 'event')])
  const lengths = Buffer.concat([u32(16 + headers.length + payload.length), u32(headers.length)])
  const message = Buffer.concat([lengths, u32(crc32(lengths)), headers, payload])
  return Buffer.concat([message, u32(crc32(message))])
}

/** 7 says that the value is a string, of a length of two bytes. */
const header = (name: string, value: string): Buffer =>
  Buffer.concat([Buffer.of(name.length), Buffer.from(name), Buffer.of(7, value.length >> 8, value.length & 0xff), Buffer.from(value)])

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}
