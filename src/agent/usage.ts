import { Frames, Lines, type Cut } from './framing.ts'
import type { ModelTokens } from './prices.ts'

/** A longer event of a stream is not kept, only counted. */
const MAX_EVENT = 1_000_000
/** The same for an answer that is not streamed. */
const MAX_ANSWER = 8_000_000
/** Until the model says how many tokens it has written, this many bytes of text count as one. */
const BYTES_OF_TOKEN = 4

type OnUsage = (model: string | undefined, tokens: ModelTokens, final: boolean) => void
type Fields = Readonly<Record<string, unknown>>

/**
 * Reads what a response of a model used, as its bytes pass by.
 *
 * Understands a streamed answer of the Messages API (`text/event-stream`), the same from Bedrock (`application/vnd.amazon.eventstream`),
 * and takes everything else for an answer in JSON. The bytes must not be compressed. Nothing in a response makes it throw.
 *
 * `onUsage` gets the totals of this response so far whenever they have changed, and exactly once with `final`, at the response's end.
 */
export class UsageReader {
  readonly #onUsage: OnUsage
  readonly #lines: Lines | undefined
  readonly #frames: Frames | undefined
  #answer: Buffer[] = []
  #length = 0
  #model: string | undefined
  #tokens: ModelTokens = { input: 0, output: 0, cacheRead: 0, cacheWrite: 0, cacheWriteHour: 0 }
  /** Bytes written since the model said how many tokens it has written. */
  #unmeasured = 0
  #ended = false

  constructor(contentType: string, onUsage: OnUsage) {
    const type = contentType.split(';')[0]?.trim().toLowerCase()
    this.#onUsage = onUsage
    if (type === 'text/event-stream') this.#lines = new Lines(MAX_EVENT)
    if (type === 'application/vnd.amazon.eventstream') this.#frames = new Frames(MAX_EVENT)
  }

  write(chunk: Buffer): void {
    if (this.#lines !== undefined) for (const line of this.#lines.write(chunk)) this.#line(line)
    else if (this.#frames !== undefined) for (const payload of this.#frames.write(chunk)) this.#payload(payload)
    else {
      this.#length += chunk.length
      if (this.#length > MAX_ANSWER) this.#answer = []
      else this.#answer.push(chunk)
    }
  }

  /** The response is over, however it ended. */
  end(): void {
    if (this.#ended) return
    if (this.#lines !== undefined) for (const line of this.#lines.rest()) this.#line(line)
    else if (this.#frames === undefined) this.#whole()
    this.#finish()
  }

  #finish(): void {
    if (this.#ended) return
    this.#ended = true
    this.#onUsage(this.#model, this.#totals(), true)
  }

  #totals(): ModelTokens {
    return { ...this.#tokens, output: this.#tokens.output + Math.ceil(this.#unmeasured / BYTES_OF_TOKEN) }
  }

  #whole(): void {
    if (this.#length > MAX_ANSWER) this.#unmeasured = this.#length
    else this.#message(parse(Buffer.concat(this.#answer)))
    this.#answer = []
  }

  #line(line: Cut): void {
    if (typeof line === 'number') return this.#written(line)
    if (line.subarray(0, 5).toString('latin1') === 'data:') this.#event(parse(line.subarray(5)))
  }

  #payload(payload: Cut): void {
    if (typeof payload === 'number') return this.#written(payload)
    const { bytes } = parse(payload)
    if (typeof bytes === 'string') this.#event(parse(Buffer.from(bytes, 'base64')))
  }

  #event(event: Fields): void {
    if (this.#ended) return
    if (event['type'] === 'message_start') this.#message(fields(event['message']))
    else if (event['type'] === 'message_delta') this.#measured(fields(event['usage']))
    else if (event['type'] === 'message_stop') return this.#finish()
    else if (event['type'] === 'content_block_delta') {
      const { text, partial_json: json, thinking } = fields(event['delta'])
      const said = [text, json, thinking].find((each) => typeof each === 'string')
      return this.#written(said === undefined ? 0 : Buffer.byteLength(said))
    } else return
    this.#onUsage(this.#model, this.#totals(), false)
  }

  #written(bytes: number): void {
    if (bytes === 0 || this.#ended) return
    this.#unmeasured += bytes
    this.#onUsage(this.#model, this.#totals(), false)
  }

  #message({ model, usage }: Fields): void {
    if (typeof model === 'string') this.#model = model
    this.#measured(fields(usage))
  }

  /** Figures are totals of the response, so they only grow; what is not said stays as it was. */
  #measured(usage: Fields): void {
    const said = usage['output_tokens']
    const split = fields(usage['cache_creation'])
    const hour = Math.max(this.#tokens.cacheWriteHour, count(split['ephemeral_1h_input_tokens']))
    const written = Math.max(count(usage['cache_creation_input_tokens']), count(split['ephemeral_5m_input_tokens']) + hour)
    if (typeof said === 'number') this.#unmeasured = 0
    this.#tokens = {
      input: Math.max(this.#tokens.input, count(usage['input_tokens'])),
      output: Math.max(this.#tokens.output, count(said)),
      cacheRead: Math.max(this.#tokens.cacheRead, count(usage['cache_read_input_tokens'])),
      cacheWrite: Math.max(this.#tokens.cacheWrite, written - hour),
      cacheWriteHour: hour,
    }
  }
}

const count = (value: unknown): number => (typeof value === 'number' && Number.isFinite(value) && value > 0 ? value : 0)

const fields = (value: unknown): Fields => (typeof value === 'object' && value !== null ? { ...value } : {})

function parse(bytes: Buffer): Fields {
  try {
    return fields(JSON.parse(bytes.toString('utf8')))
  } catch {
    return {} // an error page, a ping, rubbish: none of it says what was used
  }
}
