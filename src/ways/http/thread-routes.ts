import { streamSSE } from 'hono/streaming'
import { standing, type Standing, threadChangedFiles, threadDiff, threadFile, threadFiles, threadRemote, threadSteps } from '../../engine/inspect.ts'
import { threadKey, type ThreadRef } from '../../command/ids.ts'
import type { ThreadRecord } from '../../journal/journal.ts'
import { targetOf } from '../../workspace/checkpoint.ts'
import { requireReach, untilExpiry, type Caller } from './access.ts'
import { Checkpoints, Costs, DiffAnswer, Files, History, Status, Threads } from './answers.ts'
import { pullRequestOf } from './pull-request-route.ts'
import { knownThread, stateOf, waitingUntil, type Desk } from './desk.ts'
import { Problem } from './problem.ts'
import { DaysQuery, DiffQuery, EventsQuery, FilesQuery, PageQuery, ProjectQuery, ThreadPath, threadOf, UserPath, workspaceOf } from './requests.ts'
import { route, type Route } from './route.ts'

const iso = (ms: number): string => new Date(ms).toISOString()
const THREAD = '/api/threads/{clientId}/{userId}/{threadId}'
const PAGE = 50
/** How often a silent stream says that it is alive, so that no proxy closes it. */
const HEARTBEAT_MS = 15_000

/** Routes that read what is known of threads. */
export function threadRoutes(desk: Desk): readonly Route[] {
  const { journal } = desk.tools
  const reached = (caller: Caller, given: Parameters<typeof threadOf>[0]): ThreadRef => {
    const ref = threadOf(given, desk.defaults)
    requireReach(caller, ref)
    return ref
  }
  const point = async (name: string, wish: string | undefined, thread: Standing): Promise<string | undefined> => {
    const { base } = thread.record
    if (wish === undefined) return undefined
    const checkpoints = await journal.checkpoints(thread.record.ref)
    const found = base === undefined ? undefined : targetOf(wish, { base, tip: thread.tip ?? base, checkpoints, steps: await threadSteps(thread) })
    if (found !== undefined) return found.commit
    throw new Problem(404, 'Not found', `${name}: ${wish} is not a checkpoint of this thread; …/checkpoints lists them`)
  }
  return [
    route({
      method: 'GET',
      url: '/api/status/{clientId}/{userId}/{threadId}',
      operationId: 'getStatus',
      summary: 'How a thread stands',
      role: 'view',
      path: ThreadPath,
      query: ProjectQuery,
      answers: { 200: { about: 'How it stands.', schema: Status } },
      serve: async ({ path, query, c, caller }) => {
        const ref = reached(caller, { ...path, ...query })
        const thread = await knownThread(ref, desk)
        const waiting = (await journal.unfinished()).filter(({ command, state }) => state === 'queued' && threadKey(command) === threadKey(ref))
        const runningCommand = desk.engine.running(ref)
        return c.json({
          ...summary(thread.record, thread.branch, runningCommand !== undefined, waiting.length > 0),
          ...(runningCommand === undefined ? {} : { runningCommand }),
          waitingCommands: waiting.map(({ command }) => command.commandId),
          ...waiting.map(waitingUntil).find((each) => each.waitingUntil !== undefined),
          ...(thread.tip === undefined ? {} : { lastCommit: thread.tip }),
          ...(thread.record.base === undefined ? {} : { base: thread.record.base }),
          ...(await threadRemote(thread)),
          ...(await pullRequestOf(ref, desk)),
          changedFiles: await threadChangedFiles(thread),
          agentSessionId: thread.record.sessionId,
          preview: await desk.engine.previews.standing(ref),
          simulated: desk.tools.simulated,
        })
      },
    }),
    route({
      method: 'GET',
      url: '/api/costs/{clientId}/{userId}',
      operationId: 'getCosts',
      summary: 'What a user has spent, by day, newest first',
      role: 'view',
      path: UserPath,
      query: DaysQuery,
      answers: { 200: { about: 'Days with costs, and what may be spent.', schema: Costs } },
      serve: async ({ path, query, c, caller }) => {
        const { clientId, userId } = workspaceOf(path, desk.defaults)
        requireReach(caller, { clientId, userId })
        const { command, thread, day } = desk.tools.budgets
        const limits = { commandUsd: command, threadUsd: thread, dayUsd: day }
        return c.json({ days: await journal.dayCosts({ clientId, userId }, query.days ?? PAGE), limits, simulated: desk.tools.simulated })
      },
    }),
    route({
      method: 'GET',
      url: '/api/threads/{clientId}/{userId}',
      operationId: 'listThreads',
      summary: 'Threads of a workspace, newest activity first',
      role: 'view',
      forLinks: true,
      path: UserPath,
      query: PageQuery,
      answers: { 200: { about: 'One page.', schema: Threads } },
      serve: async ({ path, query, c, caller }) => {
        const { limit = PAGE, after = 0, projectId } = query
        const workspace = workspaceOf({ ...path, projectId }, desk.defaults)
        requireReach(caller, { ...workspace, threadId: caller.thread?.threadId })
        const only = caller.thread === undefined ? undefined : await journal.thread(caller.thread)
        const records = caller.thread === undefined ? await journal.threads(workspace, { limit: limit + 1, after }) : only === undefined ? [] : [only]
        const unfinished = new Map((await journal.unfinished()).map(({ command, state }) => [threadKey(command), state]))
        const threads = records.slice(0, limit).map(async (record) => {
          const state = unfinished.get(threadKey(record.ref))
          return summary(record, (await standing(record.ref, desk.tools))?.branch ?? '', desk.engine.running(record.ref) !== undefined, state !== undefined)
        })
        return c.json({ threads: await Promise.all(threads), ...(records.length > limit ? { next: after + limit } : {}) })
      },
    }),
    route({
      method: 'GET',
      url: `${THREAD}/history`,
      operationId: 'getHistory',
      summary: 'Commands of a thread with their results, newest first',
      role: 'view',
      path: ThreadPath,
      query: PageQuery,
      answers: { 200: { about: 'One page.', schema: History } },
      serve: async ({ path, query, c, caller }) => {
        const ref = reached(caller, { ...path, projectId: query.projectId })
        await knownThread(ref, desk)
        const { limit = PAGE, after } = query
        const records = await journal.history(ref, { limit: limit + 1, after })
        const shown = records.slice(0, limit)
        const commands = shown.map((record) => ({
          commandId: record.command.commandId,
          type: record.command.type,
          instruction: record.command.instruction,
          state: stateOf(record),
          attempt: record.attempt,
          acceptedAt: iso(record.acceptedAt),
          ...(record.endedAt === undefined ? {} : { endedAt: iso(record.endedAt) }),
          ...(record.command.userEmail === undefined ? {} : { userEmail: record.command.userEmail }),
          ...(record.result === undefined ? {} : { result: record.result }),
        }))
        return c.json({ commands, ...(records.length > limit ? { next: shown.at(-1)?.seq } : {}) })
      },
    }),
    route({
      method: 'GET',
      url: `${THREAD}/diff`,
      operationId: 'getDiff',
      summary: 'What the thread has changed since it began, or between two of its checkpoints',
      role: 'view',
      path: ThreadPath,
      query: DiffQuery,
      answers: { 200: { about: 'A unified patch, of at most 2 MB.', schema: DiffAnswer } },
      serve: async ({ path, query, c, caller }) => {
        const thread = await knownThread(reached(caller, { ...path, projectId: query.projectId }), desk)
        const between = { from: await point('from', query.from, thread), to: await point('to', query.to, thread) }
        return c.json({ ...(await threadDiff(thread, between)), files: await threadChangedFiles(thread, between) })
      },
    }),
    route({
      method: 'GET',
      url: `${THREAD}/checkpoints`,
      operationId: 'getCheckpoints',
      summary: 'Commits that the thread can be taken back to, oldest first',
      role: 'view',
      path: ThreadPath,
      query: ProjectQuery,
      answers: { 200: { about: 'All of them.', schema: Checkpoints } },
      serve: async ({ path, query, c, caller }) => {
        const ref = reached(caller, { ...path, ...query })
        const thread = await knownThread(ref, desk)
        const { base } = thread.record
        const steps = (await threadSteps(thread)).map(({ commit, subject, commandId, at }) => ({ commit, subject, commandId, at: iso(at) }))
        const checkpoints = (await journal.checkpoints(ref)).map(({ commit, subject, outcome, commandId, at, restores }) => ({
          commit,
          subject,
          outcome,
          commandId,
          at: iso(at),
          ...(restores === undefined ? {} : { restores }),
        }))
        return c.json({ ...(base === undefined ? {} : { base }), checkpoints, steps })
      },
    }),
    route({
      method: 'GET',
      url: `${THREAD}/files`,
      operationId: 'getFiles',
      summary: 'Files of the last commit of a thread, or of the checkpoint `at`; with `path`, the content of one',
      role: 'view',
      path: ThreadPath,
      query: FilesQuery,
      answers: { 200: { about: 'The files; with `path`, the content as `application/octet-stream`.', schema: Files } },
      serve: async ({ path, query, c, caller }) => {
        const thread = await knownThread(reached(caller, { ...path, projectId: query.projectId }), desk)
        const at = (await point('at', query.at, thread)) ?? thread.tip
        if (query.path === undefined) return c.json({ ...(at === undefined ? {} : { commit: at }), files: await threadFiles(thread, at) })
        const file = await threadFile(thread, query.path, at)
        if (file === undefined) throw new Problem(404, 'Not found', 'path: this commit has no such file')
        return c.body(new Uint8Array(file.content), 200, {
          etag: `"${file.blob}"`,
          'content-type': 'application/octet-stream',
          'content-disposition': 'attachment',
          'content-security-policy': 'sandbox',
        })
      },
    }),
    route({
      method: 'GET',
      url: `${THREAD}/events`,
      operationId: 'watchThread',
      summary: 'What happens in a thread, as server-sent events; resumable with `Last-Event-ID`',
      role: 'view',
      path: ThreadPath,
      query: EventsQuery,
      headers: ['last-event-id'],
      answers: { 200: { about: 'A stream of `RunEvent`; all that is kept first, then what comes.', contentType: 'text/event-stream' } },
      serve: async ({ path, query, c, caller }) => {
        const ref = reached(caller, { ...path, projectId: query.projectId })
        const lastId = c.req.header('last-event-id')
        if (lastId !== undefined && !/^\d{1,15}\.\d{1,15}$/.test(lastId))
          throw new Problem(400, 'The request is not valid', 'Last-Event-ID: must be the id of an event, such as 3.41', [
            { pointer: 'Last-Event-ID', detail: 'must be the id of an event, such as 3.41' },
          ])
        await knownThread(ref, desk)
        desk.engine.look(ref)
        if (c.req.method === 'HEAD') return c.body(null, 200, { 'content-type': 'text/event-stream' })
        return streamSSE(c, async (stream) => {
          const gone = new AbortController()
          stream.onAbort(() => gone.abort())
          const heartbeat = setInterval(() => void stream.write(': still here\n\n').catch(() => gone.abort()), HEARTBEAT_MS)
          const people = (present: string): Promise<void> => stream.writeSSE({ event: 'presence', data: present })
          using _here = query.presence === 'true' ? desk.presence.enter(ref, caller, people) : undefined
          try {
            for await (const event of desk.tools.events(ref).watch(lastId, AbortSignal.any([gone.signal, desk.stopping, ...untilExpiry(caller)]))) {
              await stream.writeSSE({ id: event.id, event: event.type, data: JSON.stringify(event) })
            }
          } finally {
            clearInterval(heartbeat)
          }
        })
      },
    }),
  ]
}

const summary = ({ ref, createdAt, lastActiveAt, costUsd, tokens }: ThreadRecord, branch: string, running: boolean, waiting: boolean) => ({
  threadId: ref.threadId,
  branch,
  createdAt: iso(createdAt),
  lastActiveAt: iso(lastActiveAt),
  costUsd,
  tokens,
  state: running ? 'running' : waiting ? 'waiting' : 'idle',
})
