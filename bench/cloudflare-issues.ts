import { withWorker } from '../deploy/cloudflare/test/with-worker.ts'
import type { GitHub } from '../test/support/github/github.ts'
import { progressOf, withGitHub } from '../test/support/issues.ts'
import { FIRST_USER_ID, prepare } from './cloudflare-support.ts'
import { arrival, until } from './github-support.ts'
import { inTurns, rest, SERVICE_ENV, type Subject } from './support.ts'

const ROUNDS = 5
const CONTAINERS = 2
const USERS_EACH = 100
/** As both are set by default; tests ask sooner. */
const VARIABLES = { POLL_MS: '2000', PROGRESS_SECONDS: '5' }
const ALONE = { ...SERVICE_ENV, FIRST_USER_ID: String(FIRST_USER_ID + CONTAINERS * USERS_EACH), GITHUB_PROGRESS_SECONDS: '5' }

interface Times {
  readonly first: number
  readonly later: number
}

/**
 * An issue, from the moment at which GitHub sends it, by the Worker and by the service alone. The scripted model answers at once. A
 * container is a service on this machine, so what the platform takes to start one is not in it.
 */
export const cloudflareIssues: Subject<'fresh' | 'there'> = {
  figures: {
    fresh: {
      name: 'Cloudflare: issue until its pull request is asked for, through the Worker with a new container, a model without delay, against the service alone',
      unit: 'ms',
    },
    there: { name: 'Cloudflare: the same by a comment, with a container that is there already, against the service alone', unit: 'ms' },
  },
  async measure() {
    prepare()
    await using behind = await withWorker({ containers: CONTAINERS, firstUserId: FIRST_USER_ID, variables: VARIABLES })
    await using alone = await withGitHub({ service: { env: ALONE } })
    const gone = (): boolean => behind.containers.running.length === 0
    const times = await inTurns(ROUNDS, {
      worker: (round) => issues(behind.github, round, () => until(gone, 'the end of a container')),
      service: (round) => issues(alone.github, round, async () => {}),
    })
    const of = (which: keyof Times) => ({ ours: times.worker.map((each) => each[which]), baseline: times.service.map((each) => each[which]) })
    return { fresh: of('first'), there: of('later') }
  },
}

/** One that asks for a change, and one that asks a question first. @param closed resolves when nothing of an issue that was closed is left */
async function issues(github: GitHub, round: number, closed: () => Promise<void>): Promise<Times> {
  const state = (number: number, text: string): Promise<void> => until(() => progressOf(github, number).includes(text), `${text} of #${number}`)
  const over = async (number: number): Promise<void> => {
    await state(number, '**Done:**')
    await github.closeIssue(number)
    await closed()
    await rest()
  }
  const change = { title: `Greeting ${round}`, body: `write hello-${round}.txt: Hello` }
  const first = await untilAsked(github, () => github.openIssue(change))
  await over(first.number)

  const { number } = await github.openIssue({ title: `Question ${round}`, body: 'I wonder' })
  await state(number, '**Answered.**')
  await rest()
  const later = await untilAsked(github, () => github.comment(number, { body: `write again-${round}.txt: Hello` }).then(() => ({ number })))
  await over(number)
  return { first: first.ms, later: later.ms }
}

/** From what somebody does until the pull request of it is asked for. */
async function untilAsked(github: GitHub, act: () => Promise<{ readonly number: number }>): Promise<{ readonly number: number; readonly ms: number }> {
  const asked = arrival(github, '/pulls')
  const began = performance.now()
  const { number } = await act()
  return { number, ms: (await asked) - began }
}
