import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { answersOf, progressOf, withGitHub, type WithGitHub } from '../support/issues.ts'

const exec = promisify(execFile)
let on: WithGitHub
beforeAll(async () => {
  on = await withGitHub()
})
afterAll(() => on[Symbol.asyncDispose]())

const inOrigin = async (...args: string[]): Promise<string> => (await exec('git', ['-C', on.github.repository('acme', 'site'), ...args])).stdout.trim()

it('an issue becomes a pull request that closes it', async () => {
  const { github } = on
  const { number, status } = await github.openIssue({ title: 'A greeting', body: 'write hello.txt: Hello' })
  expect(status).toBe(202)
  await expect.poll(() => progressOf(github, number)).toContain('**Done:**')
  const [pull] = await github.pulls()
  expect(pull).toMatchObject({ title: 'A greeting', state: 'open' })
  expect(pull?.body).toContain(`Closes #${number}`)
  expect(await inOrigin('show', `thread-issue-${number}:hello.txt`)).toBe('Hello')
  expect(answersOf(github, number)).toEqual([])
})
