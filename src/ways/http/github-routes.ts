import * as z from 'zod'
import { ProcessIssue } from '../github/in/process-issue.ts'
import { CommandId } from '../../command/ids.ts'
import { JobStanding } from '../../command/job.ts'
import { stateOf, type Desk } from './desk.ts'
import { Problem } from './problem.ts'
import { requireReach, requireRole } from './access.ts'
import { route, type Route } from './route.ts'

const Received = z.object({ success: z.boolean(), message: z.string() }).meta({ id: 'Received' })

const Taken = z.object({ success: z.literal(true), commandId: z.string(), threadId: z.string() }).meta({ id: 'IssueTaken' })
const Status = z
  .object({
    state: z.enum(['idle', 'working', 'draining', 'full', 'backlog', 'unwritable']),
    command: z.object({ commandId: z.string(), threadId: z.string(), state: z.string(), attempt: z.int() }).optional(),
    uptime: z.number().describe('Seconds.'),
    memory: z.object({ rssBytes: z.int(), heapBytes: z.int() }),
    cpu: z.object({ userMs: z.int(), systemMs: z.int() }),
    job: JobStanding.optional().describe('Of the job that was asked for; not there where it is not known here.'),
  })
  .meta({ id: 'Status' })

const StatusQuery = z.object({
  job: CommandId.optional().describe('A job that a Worker has handed in, by its commandId; role administer.'),
  after: z.string().max(40).optional().describe('The last event of its thread that was heard of.'),
})

/** Routes by which GitHub, and who speaks for it, hand issues in. */
export function githubRoutes(desk: Desk): readonly Route[] {
  return [
    route({
      method: 'POST',
      url: '/webhook/github',
      operationId: 'receiveWebhook',
      summary: 'Where GitHub sends its webhooks; their signature is their token',
      role: undefined,
      rawBody: true,
      answers: {
        200: { about: 'A ping was understood.', schema: Received },
        202: { about: 'It is recorded, known already, or of no interest.', schema: Received },
      },
      serve: async ({ c }) => {
        const { issues } = desk.github
        if (issues === undefined) throw new Problem(503, 'Not set up', 'No GitHub App is set up here: VAULT_KEY is not set.')
        const { status, message } = await issues.receive(c.req.raw)
        if (status < 300) return c.json({ success: true, message }, status)
        throw new Problem(status, 'Not taken', message, [], { ...(status === 503 ? { 'retry-after': '30' } : {}), connection: 'close' })
      },
    }),
    route({
      method: 'POST',
      url: '/process-issue',
      operationId: 'processIssue',
      summary: 'Work on an issue; whoever sends it vouches for it',
      role: 'administer',
      body: ProcessIssue,
      answers: { 202: { about: 'It is recorded. Its result goes to the issue, and to /api/commands.', schema: Taken } },
      serve: async ({ body, c, caller }) => {
        const { job } = body
        if (job !== undefined) {
          if (caller.clientId !== undefined || caller.userId !== undefined)
            throw new Problem(403, 'Not allowed', 'job: is taken of callers that are not bound to a client or user')
          if (job.credential !== undefined) desk.github.useToken(job.command.repoUrl, job.credential)
          await desk.jobs.take(job)
          return c.json({ success: true, commandId: job.command.commandId, threadId: job.command.threadId }, 202)
        }
        const { issues } = desk.github
        if (issues === undefined) throw new Problem(409, 'Not possible here', 'No GitHub App can be set up here: VAULT_KEY is not set.')
        if (!(await desk.github.api.hasApp())) throw new Problem(409, 'Not possible here', 'No GitHub App is set up here: see docs/github.md.')
        const taken = await issues.vouched(body.payload, body.config)
        if (taken === undefined)
          throw new Problem(400, 'The request is not valid', 'payload: must be what GitHub sends of an issue, with issue, repository and sender', [
            { pointer: '#/payload', detail: 'must hold issue, repository and sender' },
          ])
        requireReach(caller, taken.workspace)
        if (!(await taken.record())) throw new Problem(503, 'Not recorded', 'The service is being replaced; send it again.', [], { 'retry-after': '30' })
        return c.json({ success: true, commandId: taken.commandId, threadId: taken.threadId }, 202)
      },
    }),
    route({
      method: 'GET',
      url: '/status',
      operationId: 'getWork',
      summary: 'What is being worked on',
      role: 'view',
      query: StatusQuery,
      answers: { 200: { about: 'The command that runs, and what the service uses.', schema: Status } },
      serve: async ({ query, c, caller }) => {
        if (query.job !== undefined) requireRole(caller, 'administer')
        const job = query.job === undefined ? undefined : desk.jobs.standing(query.job, query.after)
        const health = await desk.engine.health()
        const unfinished = (await desk.tools.journal.unfinished()).filter(
          ({ command }) =>
            (caller.clientId === undefined || caller.clientId === command.clientId) && (caller.userId === undefined || caller.userId === command.userId),
        )
        const record = unfinished.find(({ state }) => state !== 'queued') ?? unfinished[0]
        const { rss, heapUsed } = process.memoryUsage()
        const { user, system } = process.cpuUsage()
        return c.json({
          state: health === 'healthy' ? (record === undefined ? 'idle' : 'working') : health,
          ...(record === undefined
            ? {}
            : {
                command: {
                  commandId: record.command.commandId,
                  threadId: record.command.threadId,
                  state: stateOf(record),
                  attempt: record.attempt,
                },
              }),
          uptime: Math.round(process.uptime()),
          memory: { rssBytes: rss, heapBytes: heapUsed },
          cpu: { userMs: Math.round(user / 1000), systemMs: Math.round(system / 1000) },
          ...(job === undefined ? {} : { job }),
        })
      },
    }),
  ]
}
