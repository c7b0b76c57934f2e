import { crc32, gzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import type { ModelTokens } from './prices.ts'
import { UsageReader } from './usage.ts'

interface Seen {
  readonly model: string | undefined
  readonly tokens: ModelTokens
  readonly final: boolean
}

const SSE = 'text/event-stream; charset=utf-8'
const BEDROCK = 'application/vnd.amazon.eventstream'
const JSON_TYPE = 'application/json'

function read(contentType: string, chunks: readonly Buffer[]): readonly Seen[] {
  const seen: Seen[] = []
  const reader = new UsageReader(contentType, (model, tokens, final) => void seen.push({ model, tokens, final }))
  for (const chunk of chunks) reader.write(chunk)
  reader.end()
  reader.end()
  return seen
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}

function frame(payload: string): Buffer {
  const headers = Buffer.from('\u000b:event-type\u0007\u0000\u0005chunk', 'latin1')
  const lengths = Buffer.concat([u32(16 + headers.length + Buffer.byteLength(payload)), u32(headers.length)])
  const message = Buffer.concat([lengths, u32(crc32(lengths)), headers, Buffer.from(payload)])
  return Buffer.concat([message, u32(crc32(message))])
}

const sse = (events: readonly object[]): Buffer =>
  Buffer.from(events.map((event) => `event: ${Reflect.get(event, 'type')}\r\ndata: ${JSON.stringify(event)}\r\n\r\n`).join(''))
const bedrock = (events: readonly object[]): Buffer =>
  Buffer.concat(events.map((event) => frame(JSON.stringify({ bytes: Buffer.from(JSON.stringify(event)).toString('base64'), p: 'abcd' }))))

const usage = {
  input_tokens: 10,
  cache_read_input_tokens: 20,
  cache_creation_input_tokens: 70,
  cache_creation: { ephemeral_5m_input_tokens: 30, ephemeral_1h_input_tokens: 40 },
  output_tokens: 1,
}
const delta = (fields: object): object => ({ type: 'content_block_delta', index: 0, delta: fields })
const started = { type: 'message_start', message: { model: 'claude-sonnet-4-5-20250929', usage } }
const events = [
  started,
  { type: 'ping' },
  delta({ type: 'thinking_delta', thinking: 'hmm!' }),
  delta({ type: 'text_delta', text: 'grüße' }),
  delta({ type: 'input_json_delta', partial_json: '{"a":1}' }),
  { type: 'message_delta', delta: { stop_reason: 'end_turn' }, usage: { output_tokens: 5, cache_creation_input_tokens: 70 } },
  { type: 'message_stop' },
]
const total = { input: 10, output: 5, cacheRead: 20, cacheWrite: 30, cacheWriteHour: 40 }

describe.each([
  ['a streamed answer', SSE, sse],
  ['a streamed answer of Bedrock', BEDROCK, bedrock],
])('%s', (_, type, written) => {
  it('tells what it used so far, estimated until the model says it', () => {
    const seen = read(type, [written(events)])
    expect(seen.map(({ tokens }) => tokens.output)).toEqual([1, 2, 4, 6, 5, 5])
    expect(seen.map(({ final }) => final)).toEqual([false, false, false, false, false, true])
    expect(seen.at(-1)).toEqual({ model: 'claude-sonnet-4-5-20250929', tokens: total, final: true })
  })

  it('is read the same wherever it is split', () => {
    const bytes = written(events)
    const whole = read(type, [bytes])
    for (let at = 0; at <= bytes.length; at += 1) expect(read(type, [bytes.subarray(0, at), bytes.subarray(at)])).toEqual(whole)
    expect(
      read(
        type,
        [...bytes].map((byte) => Buffer.of(byte)),
      ),
    ).toEqual(whole)
  })

  it('that is cut off has used what was estimated', () => {
    const seen = read(type, [written([started, delta({ text: 'x'.repeat(400) })])])
    expect(seen.at(-1)).toMatchObject({ final: true, tokens: { input: 10, output: 101 } })
  })

  it('with an event that is too long to be kept goes on behind it', () => {
    const bytes = written([started, delta({ text: 'x'.repeat(3_000_000) }), ...events.slice(-2)])
    const chunks = Array.from({ length: Math.ceil(bytes.length / 65_536) }, (__, at) => bytes.subarray(at * 65_536, (at + 1) * 65_536))
    const seen = read(type, chunks)
    expect(seen[1]?.tokens.output).toBeGreaterThan(750_000)
    expect(seen.at(-1)).toMatchObject({ final: true, tokens: total })
  })
})

it('an answer in one piece says what it used', () => {
  const bytes = Buffer.from(JSON.stringify({ type: 'message', model: 'claude-opus-5', content: [{ type: 'text', text: 'hi' }], usage }))
  for (let at = 0; at <= bytes.length; at += 1) {
    expect(read(JSON_TYPE, [bytes.subarray(0, at), bytes.subarray(at)])).toEqual([{ model: 'claude-opus-5', tokens: { ...total, output: 1 }, final: true }])
  }
})

it('what is written to the cache counts as kept for five minutes where nothing else is said', () => {
  const seen = read(JSON_TYPE, [Buffer.from(JSON.stringify({ usage: { cache_creation_input_tokens: 7, output_tokens: null } }))])
  expect(seen).toEqual([{ model: undefined, tokens: { input: 0, output: 0, cacheRead: 0, cacheWrite: 7, cacheWriteHour: 0 }, final: true }])
})

it('an answer that is too long to be kept is estimated', () => {
  const chunks = Array.from({ length: 10 }, () => Buffer.alloc(1_000_000, 'x'))
  expect(read(JSON_TYPE, chunks)).toMatchObject([{ tokens: { output: 2_500_000 }, final: true }])
})

it.each([
  ['an error', JSON_TYPE, Buffer.from('{"type":"error","error":{"type":"overloaded_error","message":"no"}}')],
  ['an error in a stream', SSE, sse([{ type: 'error', error: { type: 'overloaded_error' } }])],
  ['an error in a stream of Bedrock', BEDROCK, frame('{"message":"slow down"}')],
  ['a page', 'text/html', Buffer.from('<h1>Bad gateway</h1>')],
  [
    'values of other kinds',
    SSE,
    Buffer.from('data: null\ndata: 1\ndata: [1]\ndata: {"type":"message_start","message":{"usage":3}}\ndata: {"type":"message_start"}\n'),
  ],
  ['compressed JSON', JSON_TYPE, gzipSync('{"usage":{"input_tokens":1}}')],
  ['a compressed stream', SSE, gzipSync(sse(events))],
  ['a stream of Bedrock that is none', BEDROCK, Buffer.alloc(5000, 0xff)],
  ['one whose headers are longer than it', BEDROCK, Buffer.concat([u32(20), u32(100), u32(crc32(Buffer.concat([u32(20), u32(100)]))), Buffer.alloc(100)])],
  ['nothing', SSE, Buffer.alloc(0)],
])('%s uses nothing and breaks nothing', (_, type, bytes) => {
  expect(read(type, [bytes]).filter(({ tokens }) => Object.values(tokens).some((each) => each !== 0))).toEqual([])
  expect(read(type, [bytes]).at(-1)?.final).toBe(true)
})
