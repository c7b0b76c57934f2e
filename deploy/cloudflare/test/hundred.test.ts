import { setTimeout as delay } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { inFull } from '../../../test/support/by-day.ts'
import { progressOf } from '../../../test/support/issues.ts'
import { inOrigin, withWorker, type WithWorker } from './support.ts'

const ISSUES = inFull(0, 100)
const CONTAINERS = 10
/** How far one may be begun from where it came in: those that come at once are taken in side by side. */
const PLACES = 10
const LIMIT_MS = 60 * 60_000
const STANDSTILL_MS = 5 * 60_000
const LOOK_MS = 500

it.runIf(ISSUES > 0)(
  'a hundred issues over ten containers (TESTS=full): one pull request and one comment each, in order, never more than ten at once',
  async () => {
    // There is room for more than the Worker may have, so that one too many would be seen.
    await using on = await withWorker({ containers: CONTAINERS + 2, variables: { MAX_CONTAINERS: String(CONTAINERS), SLEEP_AFTER_SECONDS: '1' } })
    const { github } = on
    using watch = watchOver(on)
    const began = performance.now()
    const opened = new Map<number, number>()
    for (let at = 0; at < ISSUES; at += 1) {
      const sent = performance.now()
      const { number, status } = await github.openIssue({ title: `Issue ${at}`, body: `write issue-${at}.txt: ${at}` })
      expect(status).toBe(202)
      opened.set(number, sent)
    }
    const numbers = [...opened.keys()]
    await allDone(on, numbers)
    watch.look()
    const tookMs = performance.now() - began

    const heads = (await github.pulls()).map(({ pull: { head } }) => head)
    expect(heads.toSorted()).toEqual(numbers.map((number) => `thread-issue-${number}`).toSorted())
    for (const [at, number] of numbers.entries()) {
      const comments = github.comments(number).map(({ body }) => body)
      expect(comments, `comments of #${number}`).toEqual([
        expect.stringMatching(/\*\*Done:\*\*[\s\S]*<!-- branchline progress|<!-- branchline progress[\s\S]*\*\*Done:\*\*/),
      ])
      expect(await inOrigin(on, 'diff', '--name-only', `main...thread-issue-${number}`)).toBe(`issue-${at}.txt`)
    }

    expect(watch.most).toBe(CONTAINERS)
    expect(on.output()).not.toContain('Maximum number of running container instances exceeded')
    expect(watch.given.size).toBe(ISSUES)
    expect(on.output().match(/"event":"job.given"/g)).toHaveLength(ISSUES) // each once
    const moved = [...watch.started.keys()].map((number, place) => ({ number, place, places: Math.abs(numbers.indexOf(number) - place) }))
    expect(moved).toHaveLength(ISSUES)
    expect(moved.filter(({ places }) => places > PLACES)).toEqual([])

    const { repositoryId } = github.deliveries.at(-1) ?? {}
    const left = async () => (await on.ask(`/container/health?repositoryId=${repositoryId}`)).json()
    await expect.poll(left, { timeout: 60_000 }).toMatchObject({ held: 0, waiting: 0, repository: { open: [], threads: [] } })
    await expect.poll(() => on.containers.running, { timeout: 60_000 }).toEqual([])

    const waits = [...watch.given].map(([number, at]) => at - (opened.get(number) ?? at)).toSorted((a, b) => a - b)
    const seconds = (ms: number | undefined): string => `${((ms ?? 0) / 1000).toFixed(1)} s`
    const furthest = Math.max(...moved.map(({ places }) => places))
    process.stdout.write(
      `${ISSUES} issues over ${CONTAINERS} containers: all done after ${seconds(tookMs)}; from an issue to its job given to a container: median ${seconds(waits[Math.floor(waits.length / 2)])}, longest ${seconds(waits.at(-1))}; begun at most ${furthest} places from its own\n`,
    )
  },
  LIMIT_MS,
)

/** Waits for all; one that fails, or minutes in which none gets done, ends it with what was written by then. */
async function allDone(on: WithWorker, numbers: readonly number[]): Promise<void> {
  const holding = (text: string): readonly number[] => numbers.filter((number) => progressOf(on.github, number).includes(text))
  let [done, at] = [0, performance.now()]
  while (done < numbers.length) {
    await delay(LOOK_MS)
    const now = holding('**Done:**').length
    if (now > done) [done, at] = [now, performance.now()]
    const failed = holding('**This did not work.**')
    if (failed.length === 0 && performance.now() - at < STANDSTILL_MS) continue
    process.stdout.write(on.output().slice(-40_000))
    throw new Error(`${done} of ${numbers.length} are done; failed: ${failed.join(', ')}\n${progressOf(on.github, failed[0] ?? numbers[done] ?? 0)}`)
  }
}

interface Watch extends Disposable {
  /** Takes in what was written since it looked last; it does so by itself. */
  look(): void
  /** Containers that ran at once. */
  readonly most: number
  /** When the first container of an issue was started, in the order in which that was written; slots are handed out in order, and which of the containers is ready first is chance. */
  readonly started: ReadonlyMap<number, number>
  /** When its job was given to a container. */
  readonly given: ReadonlyMap<number, number>
}

function watchOver(on: WithWorker): Watch {
  const [started, given] = [new Map<number, number>(), new Map<number, number>()]
  let [most, read] = [0, 0]
  const look = (): void => {
    most = Math.max(most, on.containers.running.length)
    const [output, at] = [on.output(), performance.now()]
    const end = output.lastIndexOf('\n')
    const note = (pattern: RegExp, into: Map<number, number>): void => {
      for (const [, number] of output.slice(read, end).matchAll(pattern)) if (!into.has(Number(number))) into.set(Number(number), at)
    }
    note(/"container":"\d+\/issue-(\d+)","event":"container.started"/g, started)
    note(/"event":"job.given","commandId":"github-\d+-issue-(\d+)"/g, given)
    read = Math.max(read, end)
  }
  const timer = setInterval(look, 20)
  return {
    look,
    get most() {
      return most
    },
    started,
    given,
    [Symbol.dispose]: () => clearInterval(timer),
  }
}
