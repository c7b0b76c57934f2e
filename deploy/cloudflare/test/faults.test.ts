import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { answersOf } from '../../../test/support/issues.ts'
import { inOrigin, pullOf, shows, withWorker, type WithWorker } from './support.ts'

let on: WithWorker
beforeAll(async () => {
  on = await withWorker({ containers: 2 })
})
afterAll(() => on[Symbol.asyncDispose]())

const containerOf = (number: number): string => on.containers.running.find((name) => name.endsWith(`/issue-${number}`)) ?? ''
const pullsOf = async (number: number): Promise<number> => (await on.github.pulls()).filter(({ pull: { head } }) => head === `thread-issue-${number}`).length

describe('a container', () => {
  it('that is lost in the middle of a run is replaced; the next one finishes the work', async () => {
    const held = on.model.hold('lost.txt', 1)
    const { number } = await on.github.openIssue({ title: 'Lost', body: 'write lost.txt: x' })
    await held.reached
    await on.containers.end(containerOf(number))
    held.release()
    await shows(on, number, '**Done:**')
    expect(await inOrigin(on, 'show', `thread-issue-${number}:lost.txt`)).toBe('x')
    expect(await pullsOf(number)).toBe(1)
    expect(on.output()).toMatch(new RegExp(`"event":"job.given","commandId":"github-\\d+-issue-${number}".*"attempt":2`))
  })

  it('that is moved pushes what was done by then, and the next one goes on from it', async () => {
    const { number } = await on.github.openIssue({ title: 'Moved', body: 'write half.txt: x then wait 120 seconds then write whole.txt: y' })
    await shows(on, number, '- [x] Working on a solution')
    on.model.instead('write half.txt: x then wait 120 seconds', 'write whole.txt: y')
    await on.containers.end(containerOf(number), 'SIGTERM')
    await shows(on, number, '**Done:**')
    expect(await inOrigin(on, 'show', `thread-issue-${number}:half.txt`)).toBe('x')
    expect(await inOrigin(on, 'show', `thread-issue-${number}:whole.txt`)).toBe('y')
  })

  it('that is lost each time is given up, and the issue hears of it', async () => {
    const { number } = await on.github.openIssue({ title: 'Poison', body: 'write poison.txt: x then wait 300 seconds' })
    for (let attempt = 1; attempt <= 3; attempt += 1) {
      await expect
        .poll(() => on.output(), { timeout: 60_000 })
        .toMatch(new RegExp(`"event":"job.given","commandId":"github-\\d+-issue-${number}".*"attempt":${attempt}`))
      await on.containers.end(containerOf(number))
    }
    await shows(on, number, '**This did not work.**')
    expect(answersOf(on.github, number)[0]).toContain('Its container was lost 3 times')
  })

  it('whose push is refused for a while pushes as soon as it can', async () => {
    const fault = on.github.fault({ match: (method, path) => method === 'POST' && path.endsWith('/git-receive-pack'), status: 503, times: 2 })
    const { number } = await on.github.openIssue({ title: 'Refused', body: 'write refused.txt: x' })
    await shows(on, number, '**Done:**')
    expect(await inOrigin(on, 'show', `thread-issue-${number}:refused.txt`)).toBe('x')
    fault.remove()
  })
})

describe('the Worker', () => {
  it('that is ended in the middle of a run finds it again; nothing is done twice', async () => {
    const held = on.model.hold('restarted.txt', 1)
    const { number } = await on.github.openIssue({ title: 'Restarted', body: 'write restarted.txt: x' })
    await held.reached
    await on.restart()
    held.release()
    await shows(on, number, '**Done:**')
    expect(await pullsOf(number)).toBe(1)
    expect(on.github.comments(number)).toHaveLength(1)
    expect(on.output()).not.toMatch(new RegExp(`"event":"job.given","commandId":"github-\\d+-issue-${number}".*"attempt":2`))
  })

  it('that is ended while a job waits for its slot carries it out after the restart', async () => {
    const held = on.model.hold('busy', 1)
    const numbers: number[] = []
    for (const name of ['busy-1', 'busy-2']) numbers.push((await on.github.openIssue({ title: name, body: `write ${name}.txt: x` })).number)
    await held.reached
    const { number } = await on.github.openIssue({ title: 'Waits', body: 'write waits.txt: x' })
    await shows(on, number, 'Waiting for a free container')
    await on.restart()
    held.release()
    for (const each of [...numbers, number]) await shows(on, each, '**Done:**')
  })

  it('that GitHub does not answer for a while tells the result later, once', async () => {
    const fault = on.github.fault({ match: (method, path) => method === 'POST' && path.endsWith('/pulls'), status: 502, times: 2 })
    const { number } = await on.github.openIssue({ title: 'Later', body: 'write later.txt: x' })
    await shows(on, number, '**Done:**')
    expect(await pullsOf(number)).toBe(1)
    fault.remove()
    await pullOf(on, number)
  })
})

it('six issues over two containers: in order, never more than two at once, and each is told that it waits', async () => {
  const bodies = Array.from({ length: 6 }, (_, at) => `write six-${at}.txt: ${at}`)
  let most = 0
  const watching = setInterval(() => (most = Math.max(most, on.containers.running.length)), 20)
  const numbers: number[] = []
  for (const body of bodies) numbers.push((await on.github.openIssue({ title: body, body })).number)
  for (const number of numbers) await shows(on, number, '**Done:**')
  clearInterval(watching)
  expect(most).toBe(2)
  const started = [...on.output().matchAll(/"container":"\d+\/issue-(\d+)","event":"container.started"/g)]
    .map(([, number]) => Number(number))
    .filter((number) => numbers.includes(number))
  // A slot is handed out in order; two that are free at once may be taken up side by side.
  expect(started.map((number, at) => Math.abs(numbers.indexOf(number) - at)).filter((distance) => distance > 1)).toEqual([])
  expect(started.toSorted((a, b) => a - b)).toEqual(numbers)
})
