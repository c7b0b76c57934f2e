import { retryLetter } from '../../engine/retry-letter.ts'
import type { Caller } from './access.ts'
import { DeadLetterAnswer, DeadLetters, Retried } from './answers.ts'
import type { Desk } from './desk.ts'
import { Problem } from './problem.ts'
import { LetterPath, PageQuery } from './requests.ts'
import { route, type Route } from './route.ts'

const PAGE = 50

/** Routes to messages that could not be taken or carried out, as far as no queue has them. */
export function deadLetterRoutes({ engine, tools }: Desk): readonly Route[] {
  const { journal } = tools
  const letterNumbered = async (n: number) => {
    const [letter] = await journal.deadLetters({ limit: 1, after: n - 1 })
    if (letter?.n !== n) throw new Problem(404, 'Not found', `n: there is no dead letter ${n}`)
    return letter
  }
  /** They may be of any client. */
  const requireAll = ({ clientId, userId }: Caller): void => {
    if (clientId !== undefined || userId !== undefined)
      throw new Problem(403, 'Not allowed', 'Dead letters are for callers that are not bound to a client or user.')
  }
  return [
    route({
      method: 'GET',
      url: '/api/dead-letters',
      operationId: 'getDeadLetters',
      summary: 'Messages that could not be taken or carried out, oldest first',
      role: 'administer',
      query: PageQuery,
      answers: { 200: { about: 'Those that no queue has.', schema: DeadLetters } },
      serve: async ({ query: { limit = PAGE, after }, c, caller }) => {
        requireAll(caller)
        const letters = await journal.deadLetters({ limit: limit + 1, after })
        const shown = letters.slice(0, limit)
        const last = shown.at(-1)
        return c.json({
          deadLetters: shown.map((letter) => ({ ...letter, at: new Date(letter.at).toISOString() })),
          ...(letters.length > limit && last !== undefined ? { next: last.n } : {}),
        })
      },
    }),
    route({
      method: 'GET',
      url: '/api/dead-letters/{n}',
      operationId: 'getDeadLetter',
      summary: 'One of them',
      role: 'administer',
      path: LetterPath,
      answers: { 200: { about: 'The letter.', schema: DeadLetterAnswer } },
      serve: async ({ path, c, caller }) => {
        requireAll(caller)
        const letter = await letterNumbered(path.n)
        return c.json({ ...letter, at: new Date(letter.at).toISOString() })
      },
    }),
    route({
      method: 'POST',
      url: '/api/dead-letters/{n}/retry',
      operationId: 'retryDeadLetter',
      summary: 'Hand a command in again that was given up, under a new id',
      role: 'administer',
      path: LetterPath,
      answers: { 202: { about: 'It was accepted.', schema: Retried } },
      serve: async ({ path, c, caller }) => {
        requireAll(caller)
        const accepted = await retryLetter(await letterNumbered(path.n), engine, tools)
        if (accepted === undefined)
          throw new Problem(409, 'Never accepted', `n: the message of dead letter ${path.n} was never accepted; mend it and send it anew`)
        if (accepted.kind !== 'accepted' && accepted.kind !== 'duplicate')
          throw new Problem(503, 'Not accepted', 'The service takes nothing at the moment; try it again later.', [], { 'retry-after': '30' })
        return c.json({ success: true, commandId: accepted.record.command.commandId }, 202)
      },
    }),
  ]
}
