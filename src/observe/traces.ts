import { context, SpanStatusCode, trace, type Context, type Span } from '@opentelemetry/api'
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http'
import { resourceFromAttributes } from '@opentelemetry/resources'
import { BatchSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace'
import type { RunEvent } from '../command/event.ts'
import type { WorkspaceId } from '../command/ids.ts'

/** A command whose end is never told, because its thread is gone, is forgotten when there are more than this. */
const MOST_OPEN = 10_000
const FLUSH_MS = 3000

export interface TracesOptions {
  /** The place that takes traces by OTLP over HTTP; `/v1/traces` is added, as OpenTelemetry's own variable has it. */
  readonly endpoint: string
  readonly headers: Readonly<Record<string, string>>
  readonly version: string
}

/** A command that has been accepted, and what is under way for it. */
interface Open {
  readonly whole: Span
  readonly inside: Context
  readonly steps: Map<string, Span>
}

/**
 * Makes a trace of each command out of the events of its thread: the whole, from its acceptance to its result, and within it the waiting,
 * the preparing of the thread, and each tool of the agent. Texts of messages, files and commands are not in it.
 */
export class Traces implements AsyncDisposable {
  readonly #provider: TracerProvider
  readonly #open = new Map<string, Open>()

  constructor({ endpoint, headers, version }: TracesOptions) {
    const exporter = new OTLPTraceExporter({ url: `${endpoint.replace(/\/$/, '')}/v1/traces`, headers: { ...headers }, timeoutMillis: FLUSH_MS })
    this.#provider = new TracerProvider({
      resource: resourceFromAttributes({ 'service.name': 'branchline', 'service.version': version }),
      spanProcessors: [new BatchSpanProcessor({ exporter })],
    })
  }

  hear(workspace: WorkspaceId, event: RunEvent): void {
    const { commandId, at } = event
    if (commandId === undefined) return
    const key = JSON.stringify([workspace.clientId, workspace.userId, workspace.projectId, commandId])
    if (event.type === 'command.accepted') return this.#begin(key, workspace, event, commandId)
    const open = this.#open.get(key)
    if (open === undefined) return // accepted before the start of this service
    switch (event.type) {
      case 'run.started':
        for (const name of open.steps.keys()) this.#end(open, name, at) // those of an attempt before this one, too
        return this.#start(open, 'prepare', 'prepare', at, { 'branchline.attempt': event.attempt })
      case 'workspace.ready':
        this.#end(open, 'prepare', at)
        return this.#start(open, 'work', 'work', at)
      case 'tool.started':
        return this.#start(open, event.toolUseId, `tool ${event.tool}`, at)
      case 'tool.ended':
        return this.#end(open, event.toolUseId, at, event.failed)
      case 'commit.made':
        open.whole.addEvent('commit', { commit: event.commit }, at)
        return
      case 'run.ended':
        for (const name of open.steps.keys()) this.#end(open, name, at)
        open.whole.setAttribute('branchline.code', event.code ?? 'ok')
        open.whole.setStatus({ code: event.success ? SpanStatusCode.OK : SpanStatusCode.ERROR })
        open.whole.end(at)
        this.#open.delete(key)
        return
      case 'agent.said':
      case 'cost.counted':
      case 'files.changed':
      case 'gap':
      case 'plan.changed':
      case 'preview.changed':
      case 'progress':
      case 'question.asked':
      case 'step.reached':
        return // within a step
    }
  }

  /** What is finished is sent, as far as it is taken in a few seconds. */
  async [Symbol.asyncDispose](): Promise<void> {
    const timer = Promise.withResolvers<void>()
    const over = setTimeout(() => timer.resolve(), FLUSH_MS)
    await Promise.race([this.#provider.shutdown().catch(() => {}), timer.promise]) // nobody is left to be told
    clearTimeout(over)
  }

  #begin(key: string, workspace: WorkspaceId, { at, threadId, commandType }: Extract<RunEvent, { type: 'command.accepted' }>, commandId: string): void {
    const attributes = {
      'branchline.client': workspace.clientId,
      'branchline.user': workspace.userId,
      'branchline.project': workspace.projectId,
      'branchline.thread': threadId,
      'branchline.command': commandId,
    }
    const whole = this.#tracer.startSpan(commandType, { startTime: at, attributes, root: true })
    const open: Open = { whole, inside: trace.setSpan(context.active(), whole), steps: new Map() }
    const [oldest] = this.#open.keys()
    if (this.#open.size >= MOST_OPEN && oldest !== undefined) this.#open.delete(oldest)
    this.#open.set(key, open)
    this.#start(open, 'wait', 'wait', at)
  }

  get #tracer() {
    return this.#provider.getTracer('branchline')
  }

  #start({ steps, inside }: Open, key: string, name: string, at: number, attributes: Readonly<Record<string, number>> = {}): void {
    steps.set(key, this.#tracer.startSpan(name, { startTime: at, attributes }, inside))
  }

  #end({ steps }: Open, key: string, at: number, failed = false): void {
    const span = steps.get(key)
    if (failed) span?.setStatus({ code: SpanStatusCode.ERROR })
    span?.end(at)
    steps.delete(key)
  }
}
