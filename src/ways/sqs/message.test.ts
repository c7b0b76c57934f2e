import { describe, expect, it } from 'vitest'
import { ClientId, ProjectId, ThreadId, UserId } from '../../command/ids.ts'
import { readBody, type Served } from './message.ts'

const nobody: Served = { clientId: undefined, userId: undefined, projectId: undefined, threadId: undefined }
const acme: Served = { clientId: ClientId.parse('acme'), userId: UserId.parse('me'), projectId: ProjectId.parse('site'), threadId: undefined }
const body = (more: object = {}) =>
  JSON.stringify({
    sessionId: 's',
    commandId: 'c',
    timestamp: 1,
    type: 'edit',
    instruction: 'do it',
    userEmail: 'a@example.com',
    chatThreadId: 't',
    context: { branch: 'main' },
    ...more,
  })

describe('the body of a message', () => {
  it('is a command of whom the container serves, and what is not known is passed over', () => {
    expect(readBody(body({ color: 'red', __proto__: { mode: 'plan' } }), acme)).toEqual({
      kind: 'command',
      command: {
        clientId: 'acme',
        userId: 'me',
        projectId: 'site',
        threadId: 't',
        sessionId: 's',
        commandId: 'c',
        timestamp: 1,
        type: 'edit',
        instruction: 'do it',
        userEmail: 'a@example.com',
        context: { branch: 'main' },
        repoUrl: undefined,
        mode: 'execute',
        delivery: 'interrupt',
        attachments: [],
      },
    })
  })
  it('queues by default where it commits, pushes or shows', () => {
    for (const type of ['commit', 'push', 'preview']) expect(readBody(body({ type }), acme)).toMatchObject({ command: { delivery: 'queue' } })
  })
  it.each([
    ['without client and user', body(), nobody, ['clientId: is needed', 'userId: is needed']],
    ['for another project', body({ projectId: 'else' }), acme, ['projectId: this queue belongs to another one']],
    ['for another thread than its queue', body(), { ...acme, threadId: ThreadId.parse('u') }, ['chatThreadId: this queue belongs to another one']],
    ['that plans a build', body({ type: 'build', mode: 'plan' }), acme, ['mode: plan is for edits only']],
    ['with credentials in its repository', body({ repoUrl: 'https://a:b@example.com/x' }), acme, ['repoUrl: must not hold a user name']],
    [
      'with everything missing',
      '{}',
      acme,
      ['chatThreadId: is needed', 'commandId: is needed', 'context: is needed', 'instruction: is needed', 'sessionId: is needed'],
    ],
    ['that is a list', '[]', acme, ['body: must be an object']],
  ])('%s does not fit, and all that is wrong is listed', (_, text, served, problems) => {
    const read = readBody(text, served)
    expect(read.kind).toBe('unfit')
    const listed = read.kind === 'unfit' ? read.problems.toSorted() : []
    for (const [at, problem] of problems.entries()) expect(listed[at]).toContain(problem)
  })
  it('that does not fit says whose it is, as far as that is well formed', () => {
    expect(readBody(body({ type: 'dance' }), acme)).toMatchObject({ about: { commandId: 'c', sessionId: 's', threadId: 't', clientId: 'acme' } })
    expect(readBody(body({ commandId: 'a b', chatThreadId: '../x' }), acme)).toMatchObject({ about: { commandId: undefined, threadId: undefined } })
  })
})
