import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { progressOf } from '../../../test/support/issues.ts'
import { withWorker, type WithWorker } from './support.ts'

let on: WithWorker
beforeAll(async () => {
  on = await withWorker()
})
afterAll(() => on[Symbol.asyncDispose]())

const shows = (number: number, text: string): Promise<void> => expect.poll(() => progressOf(on.github, number), { timeout: 60_000 }).toContain(text)

describe('an issue, by the Worker', () => {
  it('becomes a pull request', async () => {
    const { number, status } = await on.github.openIssue({ title: 'A greeting', body: 'write hello.txt: Hello' })
    expect(status).toBe(202)
    await shows(number, '**Done:**').catch((error: unknown) => {
      process.stdout.write(on.output())
      throw error
    })
    const [pull] = await on.github.pulls()
    expect(pull).toMatchObject({ title: 'A greeting', state: 'open' })
  })
})
