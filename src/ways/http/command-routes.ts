import type * as z from 'zod'
import { RunFailure } from '../../command/ending.ts'
import { DEFAULT_DELIVERY, type Command } from '../../command/command.ts'
import type { CommandId, ThreadRef } from '../../command/ids.ts'
import { refOf, type CommandRecord } from '../../journal/journal.ts'
import { prepareThread } from '../../engine/prepare.ts'
import { siteOf } from '../../engine/preview.ts'
import { reaches, requireReach, type Caller } from './access.ts'
import { Accepted, CommandState, Executed, Initialised, InterruptAnswer, Withdrawn } from './answers.ts'
import { knownThread, locationOf, refuseOtherRepository, stateOf, submit, waitingUntil, type Desk } from './desk.ts'
import { Problem } from './problem.ts'
import {
  ActionBody,
  checkedRepoUrl,
  CommandPath,
  commandIdOf,
  commandOf,
  ExecuteBody,
  InitBody,
  ProjectQuery,
  RestoreBody,
  ScopeQuery,
  ThreadPath,
  threadOf,
  WriteBody,
} from './requests.ts'
import { route, type Route } from './route.ts'

export const RESULT = {
  200: { about: 'The result; `success` says whether it went well.', schema: Executed },
  202: { about: 'Recorded; the result will be at `Location`.', schema: Accepted },
} as const

/** Routes that hand commands in and tell what became of them. */
export function commandRoutes(desk: Desk): readonly Route[] {
  return [
    route({
      method: 'POST',
      url: '/api/execute',
      operationId: 'execute',
      summary: 'Hand in a message; answers with its result',
      role: 'work',
      forLinks: true,
      body: ExecuteBody,
      headers: ['idempotency-key', 'prefer'],
      answers: RESULT,
      serve: ({ body, c, caller }) =>
        submit(commandOf(body, c.req.header('idempotency-key'), desk.defaults, desk.github.access), body.wait, { c, caller }, desk),
    }),
    route({
      method: 'GET',
      url: '/api/commands/{commandId}',
      operationId: 'getCommand',
      summary: 'State and result of a command',
      role: 'view',
      path: CommandPath,
      query: ScopeQuery,
      answers: { 200: { about: 'What is known of it.', schema: CommandState } },
      serve: async ({ path, query, c, caller }) => {
        const record = await called(path.commandId, query, caller, desk)
        return c.json({
          commandId: record.command.commandId,
          threadId: record.command.threadId,
          state: stateOf(record),
          attempt: record.attempt,
          ...waitingUntil(record),
          ...(record.result === undefined ? {} : { result: record.result }),
        })
      },
    }),
    route({
      method: 'DELETE',
      url: '/api/commands/{commandId}',
      operationId: 'withdrawCommand',
      summary: 'Take a message back that waits for its turn',
      role: 'work',
      path: CommandPath,
      query: ScopeQuery,
      answers: { 200: { about: 'It is taken back, and its result says so.', schema: Withdrawn } },
      serve: async ({ path, query, c, caller }) => {
        const found = await called(path.commandId, query, caller, desk)
        const record = await desk.engine.backlog.withdraw(refOf(found.command))
        if (record === undefined) throw begun(path.commandId)
        return c.json({ success: true, commandId: path.commandId, instruction: record.command.instruction })
      },
    }),
    route({
      method: 'POST',
      url: '/api/commands/{commandId}/now',
      operationId: 'hurryCommand',
      summary: 'Interrupt what runs in the thread, for the message that waits next there',
      role: 'work',
      path: CommandPath,
      query: ScopeQuery,
      answers: { 202: { about: 'Its turn comes next.', schema: Accepted } },
      serve: async ({ path, query, c, caller }) => {
        const record = await called(path.commandId, query, caller, desk)
        const hurried = await desk.engine.backlog.hurry(refOf(record.command))
        if (hurried === 'begun') throw begun(path.commandId)
        if (hurried === 'behind') throw new Problem(409, 'Not next', `commandId: others wait before ${path.commandId}; send those first, or take them back`)
        return c.json({ success: true, commandId: path.commandId, state: 'queued', location: locationOf(record) }, 202)
      },
    }),
    route({
      method: 'POST',
      url: '/api/init',
      operationId: 'init',
      summary: 'Prepare a workspace and a thread, and start its preview',
      role: 'work',
      body: InitBody,
      answers: { 200: { about: 'Ready.', schema: Initialised } },
      serve: async ({ body, c, caller }) => {
        const ref = threadOf(body, desk.defaults)
        requireReach(caller, ref)
        const repoUrl = body.repoUrl === undefined ? undefined : checkedRepoUrl(body.repoUrl, desk.github.access)
        await refuseOtherRepository(ref, repoUrl, desk)
        const { home } = await opened(ref, repoUrl, body.branch, desk)
        const { paths, branch, resumed } = home
        const workspace = { userPath: paths.user, projectPath: paths.workTree, claudePath: paths.claude, branch, resumed }
        desk.engine.previews.wake(ref)
        const previewUrl = (await siteOf(paths, desk.tools)) === undefined ? undefined : await desk.tools.preview.urlOf(ref)
        return c.json({ success: true, workspace, resumed, branch, ...(previewUrl === undefined ? {} : { previewUrl }) })
      },
    }),
    ...(['undo', 'push'] as const).map((verb) =>
      route({
        method: 'POST',
        url: `/api/threads/{clientId}/{userId}/{threadId}/${verb}`,
        operationId: verb,
        summary:
          verb === 'undo' ? 'Take the files back by one commit, as a new commit, and the conversation with them' : 'Push the branch of the thread to origin',
        role: 'work',
        path: ThreadPath,
        query: ProjectQuery,
        body: ActionBody,
        headers: ['idempotency-key', 'prefer'],
        answers: RESULT,
        serve: async ({ path, query, body, c, caller }) => {
          const command = await action(verb === 'undo' ? 'restore' : 'push', '', { ...path, ...query }, body, c.req.header('idempotency-key'), desk)
          return submit(command, body.wait, { c, caller }, desk)
        },
      }),
    ),
    route({
      method: 'POST',
      url: '/api/threads/{clientId}/{userId}/{threadId}/restore',
      operationId: 'restore',
      summary: 'Take the files back to a checkpoint, as a new commit, and the conversation with them',
      role: 'work',
      path: ThreadPath,
      query: ProjectQuery,
      body: RestoreBody,
      headers: ['idempotency-key', 'prefer'],
      answers: RESULT,
      serve: async ({ path, query, body, c, caller }) =>
        submit(await action('restore', body.checkpoint, { ...path, ...query }, body, c.req.header('idempotency-key'), desk), body.wait, { c, caller }, desk),
    }),
    route({
      method: 'POST',
      url: '/api/threads/{clientId}/{userId}/{threadId}/files',
      operationId: 'writeFile',
      summary: 'Put a text in place of a file, as a commit, in the turn of the thread',
      role: 'work',
      path: ThreadPath,
      query: ProjectQuery,
      body: WriteBody,
      headers: ['idempotency-key', 'prefer'],
      answers: RESULT,
      serve: async ({ path, query, body, c, caller }) => {
        const command = await action('write', body.path, { ...path, ...query }, body, c.req.header('idempotency-key'), desk)
        const content = { name: 'content', mediaType: 'text/plain', data: Buffer.from(body.content).toString('base64') } as const
        return submit({ ...command, base: body.base, attachments: [content] }, body.wait, { c, caller }, desk)
      },
    }),
    route({
      method: 'POST',
      url: '/api/threads/{clientId}/{userId}/{threadId}/interrupt',
      operationId: 'interrupt',
      summary: 'Stop what the thread is running; what was done is committed',
      role: 'work',
      path: ThreadPath,
      query: ProjectQuery,
      answers: { 200: { about: 'What was stopped.', schema: InterruptAnswer } },
      serve: async ({ path, query, c, caller }) => {
        const ref = threadOf({ ...path, ...query }, desk.defaults)
        requireReach(caller, ref)
        await knownThread(ref, desk)
        return c.json({ success: true, interrupted: (await desk.engine.interrupt(ref)) ?? null })
      },
    }),
  ]
}

const begun = (commandId: CommandId): Problem =>
  new Problem(409, 'Not possible any more', `commandId: ${commandId} does not wait any more, or has interrupted or taken along another message`)

/** The command of this id that the caller may see. @throws Problem 404, or 400 where several workspaces have one */
async function called(commandId: CommandId, query: z.infer<typeof ScopeQuery>, caller: Caller, { tools, defaults }: Desk): Promise<CommandRecord> {
  const { clientId, userId, projectId } = { ...query, clientId: query.clientId ?? defaults.clientId, userId: query.userId ?? defaults.userId }
  const [record, ...others] = (await tools.journal.commandsCalled(commandId)).filter(
    ({ command }) =>
      (clientId === undefined || command.clientId === clientId) &&
      (userId === undefined || command.userId === userId) &&
      (projectId === undefined || command.projectId === projectId) &&
      reaches(caller, command),
  )
  if (record === undefined) throw new Problem(404, 'Not found', `commandId: no command ${commandId} is known`)
  if (others.length > 0)
    throw new Problem(400, 'The request is not valid', 'clientId, userId and projectId are needed: several workspaces have a command of this id')
  return record
}

async function opened(ref: ThreadRef, repoUrl: string | undefined, startFrom: string | undefined, { engine, tools }: Desk) {
  try {
    return await engine.inTurn(ref, (stop) => prepareThread(ref, { repoUrl, startFrom }, tools, stop))
  } catch (error) {
    if (!(error instanceof RunFailure)) throw error
    throw error.code === 'rejected'
      ? new Problem(409, 'Not possible here', error.message)
      : new Problem(502, 'The workspace could not be prepared', error.message)
  }
}

type Given = Parameters<typeof threadOf>[0]
interface Asked {
  readonly commandId?: Command['commandId'] | undefined
  readonly userEmail?: string | undefined
}

/** A command out of one of the routes that act on a known thread. */
export async function action(
  type: 'push' | 'restore' | 'build' | 'write',
  instruction: string,
  given: Given,
  { commandId, userEmail }: Asked,
  idempotencyKey: string | undefined,
  desk: Desk,
): Promise<Command> {
  const ref = threadOf(given, desk.defaults)
  await knownThread(ref, desk)
  return {
    ...ref,
    commandId: commandIdOf(commandId, idempotencyKey),
    sessionId: ref.threadId,
    timestamp: Date.now(),
    type,
    instruction,
    mode: 'execute',
    delivery: DEFAULT_DELIVERY[type],
    userEmail,
    attachments: [],
  }
}
