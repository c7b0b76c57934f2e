import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { MEASURES } from '../../src/observe/measure.ts'
import { clientOf, type Client } from '../support/client.ts'
import { startModel, type Model } from '../support/model.ts'
import { startService, type Service } from '../support/service.ts'

/** A place that takes traces by OTLP over HTTP. */
const traces: { readonly key: string | undefined; readonly path: string | undefined; readonly body: any }[] = []
const hear = async (request: IncomingMessage, answer: ServerResponse): Promise<void> => {
  const body = (await request.setEncoding('utf8').toArray()).join('')
  traces.push({ key: String(request.headers['x-key']), path: request.url, body: JSON.parse(body) })
  answer.writeHead(200, { 'content-type': 'application/json' }).end('{}')
}
const collector = createServer((request, answer) => void hear(request, answer))

let [model, service, client]: [Model, Service, Client] = [undefined!, undefined!, undefined!]
beforeAll(async () => {
  collector.listen(0, '127.0.0.1')
  await once(collector, 'listening')
  const address = collector.address()
  model = await startModel()
  service = await startService({
    env: {
      ANTHROPIC_BASE_URL: model.url,
      ANTHROPIC_API_KEY: 'CANARY-model-key-7f3a',
      API_TOKENS_FILE: '',
      METRICS_EMF: 'true',
      METRICS_SECONDS: '3600',
      METRICS_NAMESPACE: 'Branchline/tested',
      CLIENT_ID: 'acme',
      OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}/`,
      OTEL_EXPORTER_OTLP_HEADERS: 'X-Key=CANARY-collector%20key',
    },
  })
  client = clientOf(service)
})
afterAll(async () => {
  await service[Symbol.asyncDispose]()
  await model[Symbol.asyncDispose]()
  collector.close()
})

/** The value of each line, by its name with labels. */
async function metrics(): Promise<ReadonlyMap<string, number>> {
  const answer = await fetch(`${service.url}/metrics`)
  expect(answer.headers.get('content-type')).toMatch(/^text\/plain; version=0\.0\.4/)
  const lines = (await answer.text()).split('\n').filter((line) => line !== '' && !line.startsWith('#'))
  return new Map(lines.map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ') + 1))]))
}

it('what happens is counted and timed, and everything that is measured is shown', async () => {
  model.price('dear.txt')
  await client.run('counted', 'write a.txt: A')
  const held = model.hold('held up')
  const first = await client.post('counted', 'write b.txt: held up')
  await held.reached
  const second = client.run('counted', 'write dear.txt: C')
  expect(await client.result(first)).toMatchObject({ interrupted: true })
  held.release()
  expect(await second).toMatchObject({ success: true })
  const shown = await metrics()
  expect(shown.get('branchline_runs_total{type="edit",outcome="completed"}')).toBe(2)
  expect(shown.get('branchline_runs_total{type="edit",outcome="interrupted"}')).toBe(1)
  expect(shown.get('branchline_interrupts_total')).toBe(1)
  expect(shown.get('branchline_run_seconds_count{type="edit"}')).toBe(3)
  expect(shown.get('branchline_thread_switch_seconds_count')).toBe(3)
  expect(shown.get('branchline_first_model_request_seconds_count')).toBe(3)
  expect(shown.get('branchline_cost_usd_total')).toBeGreaterThan(0.1)
  expect(shown.get('branchline_container_threads')).toBe(1)
  expect(shown.get('branchline_service_memory_bytes')).toBeGreaterThan(30_000_000)
  expect(shown.get('branchline_children_memory_bytes')).toBeGreaterThan(30_000_000) // Claude Code is kept
  expect(shown.get('branchline_http_request_seconds_count{method="POST",route="/api/execute",status="200"}')).toBe(2)
  const text = [...shown.keys()].join('\n')
  const elsewhere = ['queue_messages_total', 'dead_letters_total'] // by queues
  for (const name of Object.keys(MEASURES).filter((each) => !elsewhere.includes(each))) expect(text).toContain(`branchline_${name}`)
})

it('what agents use of the processor is measured however often somebody looks', async () => {
  await metrics()
  const held = model.hold('spins')
  const spinning = client.post('spins', 'run timeout 20 sh -c "while true; do true; done"; echo spins')
  await held.reached
  held.release()
  await client.event('spins', ({ type }) => type === 'tool.started')
  await expect.poll(async () => (await metrics()).get('branchline_children_cpu_percent') ?? 0).toBeGreaterThan(20)
  await client.call('POST', client.thread('spins', 'interrupt'), {})
  expect(await client.result(await spinning)).toMatchObject({ interrupted: true })
})

it('a command becomes a trace that says what took how long, and nothing of what was written', async () => {
  const id = await client.post('traced', 'write secret-name.txt: secret text then run sleep 0.2')
  await client.result(id)
  type Span = {
    name: string
    spanId: string
    parentSpanId?: string
    attributes: { key: string; value: { stringValue?: string } }[]
    startTimeUnixNano: string
    endTimeUnixNano: string
  }
  const spans = (): readonly Span[] =>
    traces.flatMap(({ body }) => body.resourceSpans.flatMap((each: any) => each.scopeSpans.flatMap((scope: any) => scope.spans)))
  const about = (span: Span): string | undefined => span.attributes.find(({ key }) => key === 'branchline.command')?.value.stringValue
  await expect.poll(() => spans().some((span) => about(span) === id)).toBe(true)
  const whole = spans().find((span) => about(span) === id)
  const parts = spans().filter(({ parentSpanId }) => parentSpanId === whole?.spanId)
  expect(whole?.name).toBe('edit')
  expect(parts.map(({ name }) => name).toSorted()).toEqual(['prepare', 'tool Bash', 'tool Write', 'wait', 'work'])
  for (const { startTimeUnixNano, endTimeUnixNano } of parts) expect(BigInt(endTimeUnixNano)).toBeGreaterThanOrEqual(BigInt(startTimeUnixNano))
  expect(traces.every(({ path, key }) => path === '/v1/traces' && key === 'CANARY-collector key')).toBe(true)
  expect(JSON.stringify(traces)).not.toContain('secret')
})

it('what was measured is a line of the log, in the embedded metric format of CloudWatch', async () => {
  await service.restart()
  const lines = service
    .output()
    .split('\n')
    .filter((line) => line.includes('"_aws"'))
    .map((line) => JSON.parse(line))
  const [line] = lines
  expect(lines).toHaveLength(1)
  expect(line).toMatchObject({ event: 'metrics', client: 'acme', runs_total: 5, interrupts_total: 2, container_threads: 3 })
  const { CloudWatchMetrics: directives, Timestamp } = line._aws
  expect(directives).toMatchObject([{ Namespace: 'Branchline/tested', Dimensions: [[]] }])
  expect(Timestamp).toBeGreaterThan(Date.now() - 60_000)
  for (const { Name, Unit } of directives[0].Metrics) {
    expect(Object.keys(MEASURES)).toContain(Name)
    expect(['Seconds', 'Bytes', 'Percent', 'Count', 'None']).toContain(Unit)
    for (const value of [line[Name]].flat()) expect(value).toBeTypeOf('number')
  }
})
