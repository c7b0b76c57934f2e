import type { Message, SQSClient } from '@aws-sdk/client-sqs'
import { setTimeout as delay } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { poll } from './poller.ts'

it('a batch that cannot be taken is told, and the next one is taken all the same', async () => {
  const stop = new AbortController()
  const batches: Message[][] = [[{ Body: 'one' }], [{ Body: 'two' }], [{ Body: 'three' }]]
  const [taken, told]: [string[], string[]] = [[], []]
  await poll(
    {
      client: { send: async () => ({ Messages: batches.shift() ?? [] }) } as unknown as SQSClient,
      url: 'http://127.0.0.1/000000000000/q',
      waitSeconds: 1,
      ready: async () => {},
      take: async ([message]) => {
        taken.push(message?.Body ?? '')
        if (taken.length === 3) stop.abort()
        if (message?.Body === 'one') throw new Error('not now')
      },
      answered: () => {},
      failed: (error) => void told.push(String(error)),
    },
    stop.signal,
  )
  expect(taken).toEqual(['one', 'two', 'three'])
  expect(told).toEqual(['Error: not now'])
})

it('a poll that is to finish ends, also where no messages can be taken any more', async () => {
  const finishing = new AbortController()
  const told: string[] = []
  const polling = poll(
    {
      client: { send: () => Promise.reject(new Error('asked')) } as unknown as SQSClient,
      url: 'http://127.0.0.1/000000000000/q',
      waitSeconds: 1,
      ready: (stop) => delay(60_000, undefined, { signal: stop }),
      take: async () => {},
      answered: () => {},
      finishing: finishing.signal,
      failed: (error) => void told.push(String(error)),
    },
    new AbortController().signal,
  )
  finishing.abort()
  await polling
  expect(told).toEqual([])
})
