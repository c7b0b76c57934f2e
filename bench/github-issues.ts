import { execFile } from 'node:child_process'
import { createPrivateKey } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay, setImmediate as turn } from 'node:timers/promises'
import { promisify } from 'node:util'
import { createAppAuth } from '@octokit/auth-app'
import { request } from '@octokit/request'
import type { GitHub } from '../test/support/github/github.ts'
import { progressOf, withGitHub } from '../test/support/issues.ts'
import { commitAll } from '../test/support/repository.ts'
import { arrival, until } from './github-support.ts'
import { FIRST_USER_ID, inTurns, rest, SERVICE_ENV, timed, type Subject } from './support.ts'

const exec = promisify(execFile)
const ROUNDS = 5
/** With users of its own: two services that share theirs end each other's agents. */
const WITH_SPARE = { ...SERVICE_ENV, FIRST_USER_ID: String(FIRST_USER_ID + 100), SPARE_AGENT: 'true' }
/** By then the next spare agent waits. */
const SPARE_MS = 3000
const [OWNER, NAME] = ['acme', 'site']
const REPOSITORY = { owner: OWNER, repo: NAME }

interface Times {
  readonly seen: number
  readonly pull: number
}

/**
 * An issue, from the moment at which GitHub sends it. The scripted model answers at once, so all of it is ours and the agent's; GitHub
 * is the double, whose own time is in both sides.
 */
export const githubIssues: Subject<'seen' | 'pull' | 'spare'> = {
  figures: {
    seen: { name: 'GitHub: issue until its first comment is there, against a comment by a bare POST', unit: 'ms' },
    pull: {
      name: 'GitHub: issue until its pull request is asked for, a model without delay, against clone, write, commit, push and the same by hand',
      unit: 'ms',
    },
    spare: { name: 'GitHub: the same with a spare agent, as the service is set by default, against the same by hand', unit: 'ms' },
  },
  async measure() {
    await using parts = new AsyncDisposableStack()
    const [plain, spare] = [parts.use(await withGitHub({ service: { env: SERVICE_ENV } })), parts.use(await withGitHub({ service: { env: WITH_SPARE } }))]
    const { github } = plain
    const { number: elsewhere } = await github.openIssue({ title: 'By hand', body: 'Nobody here may ask.', by: 'mallory' })
    const pulls = async (): Promise<number> => (await github.pulls()).length
    const times = await inTurns<'plain' | 'spare' | 'hand', Times>(ROUNDS, {
      plain: (round) => fromIssue(plain.github, round),
      spare: async (round) => {
        const found = await fromIssue(spare.github, round)
        await delay(SPARE_MS)
        return found
      },
      hand: async (round) => {
        const before = await pulls()
        const found = { seen: await commentByHand(github, elsewhere, await tokenOf(github)), pull: await pullByHand(github, round) }
        if ((await pulls()) !== before + 1) throw new Error('no pull request was made by hand')
        await rest()
        return found
      },
    })
    const [pull, byHand] = [times.plain.map((each) => each.pull), times.hand.map((each) => each.pull)]
    return {
      seen: { ours: times.plain.map(({ seen }) => seen), baseline: times.hand.map(({ seen }) => seen) },
      pull: { ours: pull, baseline: byHand },
      spare: { ours: times.spare.map((each) => each.pull), baseline: byHand },
    }
  },
}

/** One issue; returns when all of it is over. */
async function fromIssue(github: GitHub, round: number): Promise<Times> {
  const [comment, pull] = [arrival(github, '/comments'), arrival(github, '/pulls')]
  const began = performance.now()
  const { number } = await github.openIssue({ title: `Greeting ${round}`, body: `write hello-${round}.txt: Hello` })
  await comment
  while (github.comments(number).length === 0) await turn()
  const seen = performance.now() - began
  const asked = (await pull) - began
  await until(() => progressOf(github, number).includes('**Done:**'), `the pull request of #${number}`)
  await rest()
  return { seen, pull: asked }
}

/** An installation token, as a script would ask for it. */
async function tokenOf({ url, app }: GitHub): Promise<string> {
  const privateKey = createPrivateKey(app.privateKey).export({ type: 'pkcs8', format: 'pem' }).toString()
  const auth = createAppAuth({ appId: app.id, privateKey, request: request.defaults({ baseUrl: url }) })
  return (await auth({ type: 'installation', installationId: app.installationId, repositoryNames: [NAME] })).token
}

const asking = ({ url }: GitHub, token: string) => request.defaults({ baseUrl: url, headers: { authorization: `token ${token}` } })

const commentByHand = (github: GitHub, number: number, token: string): Promise<number> =>
  timed(() => asking(github, token)('POST /repos/{owner}/{repo}/issues/{issue_number}/comments', { ...REPOSITORY, issue_number: number, body: 'Seen.' }))

/** Until the pull request is asked for, as with ours. */
async function pullByHand(github: GitHub, round: number): Promise<number> {
  await using parts = new AsyncDisposableStack()
  const folder = await mkdtemp(join(tmpdir(), 'branchline-bench-'))
  parts.defer(() => rm(folder, { recursive: true, force: true }))
  const [tree, branch, asked] = [join(folder, 'tree'), `by-hand-${round}`, arrival(github, '/pulls')]
  const began = performance.now()
  const token = await tokenOf(github)
  const header = `http.extraHeader=Authorization: Basic ${Buffer.from(`x-access-token:${token}`).toString('base64')}`
  await exec('git', ['-c', header, 'clone', '-q', `${github.url}/${OWNER}/${NAME}.git`, tree])
  await exec('git', ['-C', tree, 'checkout', '-q', '-b', branch])
  await writeFile(join(tree, `${branch}.txt`), 'Hello')
  await commitAll(tree, 'Greet')
  await exec('git', ['-C', tree, '-c', header, 'push', '-q', 'origin', branch])
  await asking(github, token)('POST /repos/{owner}/{repo}/pulls', { ...REPOSITORY, title: 'Greet', body: '', head: branch, base: 'main' })
  return (await asked) - began
}
