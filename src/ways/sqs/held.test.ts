import type { SQSClient } from '@aws-sdk/client-sqs'
import { afterEach, expect, it, vi } from 'vitest'
import { ClientId, CommandId, ProjectId, UserId } from '../../command/ids.ts'
import { openLog } from '../../observe/log.ts'
import { Held } from './held.ts'

afterEach(() => vi.useRealTimers())

const of = {
  workspace: { clientId: ClientId.parse('acme'), userId: UserId.parse('me'), projectId: ProjectId.parse('project') },
  commandId: CommandId.parse('c-1'),
}
const message = { url: 'http://127.0.0.1/000000000000/q', id: 'm-1', receiptHandle: 'r-1', body: '{"commandId":"c-1"}' }
const HOUR = 60 * 60_000

/** A client that notes what it is asked for; a test of twelve hours cannot wait for a server. */
function noting() {
  const asked: string[] = []
  const client = { send: async (command: { constructor: { name: string }; input: unknown }) => void asked.push(command.constructor.name) }
  return { asked, client: client as unknown as SQSClient }
}

it('a message is kept unseen while its command runs, sent anew before SQS would give it away, and deleted with the result', async () => {
  vi.useFakeTimers()
  const { asked, client } = noting()
  const held = new Held(
    client,
    openLog('silent', (text) => text),
  )
  held.start()
  held.hold(of, message)
  await vi.advanceTimersByTimeAsync(10 * HOUR)
  expect(new Set(asked)).toEqual(new Set(['ChangeMessageVisibilityCommand']))
  expect(asked.length).toBeGreaterThan(800) // every 40 s
  asked.length = 0
  await vi.advanceTimersByTimeAsync(1.5 * HOUR)
  expect(asked.filter((name) => name !== 'ChangeMessageVisibilityCommand')).toEqual(['SendMessageCommand', 'DeleteMessageCommand'])
  held.hold(of, { ...message, receiptHandle: 'r-2' })
  asked.length = 0
  await held.release(of)
  await held[Symbol.asyncDispose]()
  expect(asked).toEqual(['DeleteMessageCommand'])
})

it('what is held when the service stops is given back at once', async () => {
  const { asked, client } = noting()
  const held = new Held(
    client,
    openLog('silent', (text) => text),
  )
  held.hold(of, message)
  await held[Symbol.asyncDispose]()
  expect(asked).toEqual(['ChangeMessageVisibilityCommand', 'ChangeMessageVisibilityCommand'])
})
