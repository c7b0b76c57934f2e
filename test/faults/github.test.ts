import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { chmod, mkdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { FAILPOINTS } from '../../src/observe/failpoint.ts'
import { makeFailpoints, standIn, type Failpoints } from '../support/failpoints.ts'
import { answersOf, commitToOrigin, progressOf, withGitHub, type WithGitHub } from '../support/issues.ts'
import { ofTheDay } from '../support/by-day.ts'
import { keepAlive } from '../support/keeper.ts'
import { temporaryFolder } from '../support/service.ts'

const exec = promisify(execFile)
const MINE = ofTheDay(
  FAILPOINTS.filter((name) => name.startsWith('github.')),
  2,
)
const AGAIN = { GITHUB_MISSED_SECONDS: '1', RETRY_BASE_MS: '10', ...standIn }

let [on, failpoints, folder]: [WithGitHub, Failpoints, string] = [undefined!, undefined!, '']
beforeAll(async () => {
  folder = await temporaryFolder()
  failpoints = await makeFailpoints(join(folder, 'failpoints'))
  const workspace = join(folder, 'service')
  await mkdir(workspace)
  await chmod(workspace, 0o755)
  on = await withGitHub({ service: { workspace, env: { ...AGAIN, ...failpoints.env } } })
})
afterAll(async () => {
  await on[Symbol.asyncDispose]()
  await rm(folder, { recursive: true, force: true, maxRetries: 5 })
})

const done = (number: number): Promise<void> => expect.poll(() => progressOf(on.github, number), { timeout: 60_000 }).toContain('**Done:**')

/** One issue, worked on and then talked about: what there must be of it, once, whatever happened meanwhile. */
async function worked(title: string, meanwhile: (number: number) => Promise<void> = async () => {}): Promise<void> {
  const { github } = on
  const { number } = await github.openIssue({ title, body: `write ${title.replaceAll(/\W+/g, '-')}.txt: one` })
  await meanwhile(number)
  await done(number)
  const pulls = (await github.pulls()).filter(({ pull: { head } }) => head === `thread-issue-${number}`)
  expect(pulls.map(({ state }) => state)).toEqual(['open'])
  expect(progressOf(github, number)).not.toContain('=====')
  expect(answersOf(github, number)).toEqual([])
  await github.comment(number, { body: `write ${title.replaceAll(/\W+/g, '-')}.txt: two` })
  await expect.poll(() => answersOf(github, number), { timeout: 60_000 }).toHaveLength(1)
  const { stdout } = await exec('git', ['-C', github.repository('acme', 'site'), 'rev-list', '--count', `main..thread-issue-${number}`])
  expect(stdout.trim()).toBe('2')
}

describe('a service that is killed at', () => {
  it.each(MINE)('%s makes one pull request and one comment of each kind', async (name) => {
    const { service, github } = on
    failpoints.kill(name)
    await using _kept = keepAlive(service, () => github.sendTo(`${service.url}/webhook/github`))
    await worked(`killed at ${name}`)
    expect(failpoints.armed(name), `${name} was never passed`).toBe(false)
  })
})

describe('a service that is killed while', () => {
  const restarting = () => keepAlive(on.service, () => on.github.sendTo(`${on.service.url}/webhook/github`))
  const inWorkspace = async (...args: string[]): Promise<string> =>
    (await exec('git', ['-C', join(on.service.workspace, 'acme', 'github', 'site'), ...args])).stdout.trim()
  async function proposed(title: string, name: string): Promise<{ readonly number: number; readonly pull: number }> {
    const { number } = await on.github.openIssue({ title, body: `write ${name}: theirs` })
    await done(number)
    const found = (await on.github.pulls()).find(({ pull: { head } }) => head === `thread-issue-${number}`)
    return { number, pull: found?.number ?? 0 }
  }

  it('a thread is parked parks it after all, and its next message finds every file', async () => {
    const { github, service, client } = on
    const { number } = await proposed('Parked', 'parked.txt')
    const { body } = await client.call('POST', '/api/init', { clientId: 'acme', userId: 'github', projectId: 'site', threadId: `issue-${number}` })
    const { projectPath } = body.workspace
    failpoints.kill('park.moved')
    {
      await using _kept = restarting()
      await github.closeIssue(number)
      await expect
        .poll(() => service.output(), { timeout: 60_000 })
        .toContain(`"event":"thread.parked","clientId":"acme","userId":"github","projectId":"site","threadId":"issue-${number}"`)
    }
    expect(failpoints.armed('park.moved')).toBe(false)
    expect([existsSync(projectPath), existsSync(`${projectPath}.making`)]).toEqual([false, false])
    const again = await client.call('POST', '/api/init', { clientId: 'acme', userId: 'github', projectId: 'site', threadId: `issue-${number}` })
    expect(await readFile(join(again.body.workspace.projectPath, 'parked.txt'), 'utf8')).toBe('theirs')
  })

  it.each(ofTheDay(['save.committed', 'save.noted', 'save.moved', 'save.checked_out'] as const, 2))(
    'the merge of a conflicting base is saved, at %s, merges it once',
    async (name) => {
      const { github } = on
      const file = `conflict-${name}.txt`
      const { number, pull } = await proposed(`Conflict at ${name}`, file)
      await commitToOrigin(github, 'main', { [file]: 'ours' })
      failpoints.kill(name)
      {
        await using _kept = restarting()
        await github.pushed('main')
        await expect.poll(() => answersOf(github, pull), { timeout: 60_000 }).toHaveLength(1)
      }
      expect(failpoints.armed(name), `${name} was never passed`).toBe(false)
      const branch = `thread-issue-${number}`
      expect(await inWorkspace('rev-list', '--merges', '--count', `refs/remotes/origin/main..${branch}`)).toBe('1')
      expect(await inWorkspace('merge-base', '--is-ancestor', 'refs/remotes/origin/main', branch)).toBe('')
      expect(await inWorkspace('log', '--format=%s', branch)).toContain(`Wrote ${file}`)
    },
  )
})

describe('what GitHub does meanwhile:', () => {
  const posts = (end: RegExp) => (method: string, path: string) => method === 'POST' && end.test(path)
  const COMMENT = posts(/\/issues\/\d+\/comments$/)
  const PULL = posts(/\/pulls$/)
  const faults = [
    ['its answer to a comment is lost', { match: COMMENT, when: 'after' as const }],
    ['its answer to a pull request is lost', { match: PULL, when: 'after' as const }],
    ['it is cut off before', { match: PULL, when: 'before' as const }],
    ['it answers 500 for a while', { match: PULL, status: 500, times: 2 }],
    ['it refuses tokens that were revoked', { match: PULL, status: 401, body: { message: 'Bad credentials' } }],
    ['it limits comments by 403 and Retry-After', { match: COMMENT, status: 403, headers: { 'retry-after': '1' }, times: 3 }],
    [
      'it limits by 403 and says so in words alone',
      { match: COMMENT, status: 403, body: { message: 'You have exceeded a secondary rate limit. Please wait.' }, times: 1 },
    ],
    ['it limits everything by 429', { match: () => true, status: 429, headers: { 'retry-after': '1' }, times: 3 }],
    ['the limit of the hour is reached', { match: PULL, status: 403, headers: { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': '0' } }],
    [
      'its answer to a push is lost',
      { match: (method: string, path: string) => method === 'POST' && path.endsWith('/git-receive-pack'), when: 'after' as const },
    ],
  ] as const
  it.each(ofTheDay(faults, 3))('%s', async (title, fault) => {
    const { github } = on
    const planted = github.fault({ times: 1, ...fault })
    await worked(title)
    expect(planted.hits()).toBeGreaterThan(0)
    planted.remove()
  })

  it('asked to wait, it is left alone', async () => {
    const { github } = on
    let asked = Infinity
    const match = (method: string, path: string): boolean => {
      if (COMMENT(method, path)) asked = Math.min(asked, Date.now())
      return COMMENT(method, path)
    }
    const planted = github.fault({ match, status: 429, headers: { 'retry-after': '2' }, times: 1 })
    await worked('left alone')
    planted.remove()
    // git is not the API, and a token that is no longer needed is taken back whenever that is. What was on its way came at once.
    const early = github.requests.filter(
      ({ path, at }) => at > asked + 800 && at < asked + 1900 && !path.startsWith('/acme/site.git/') && path !== '/installation/token',
    )
    expect(early.map(({ method, path }) => `${method} ${path}`)).toEqual([])
  })

  it('a comment that shows the work is deleted: another one is made', async () => {
    const { github } = on
    await worked('deleted', async (number) => {
      await expect.poll(() => github.comments(number).length).toBeGreaterThan(0)
      await github.deleteComment(github.comments(number)[0]?.id ?? 0)
    })
  })
})

describe('where nothing can be done', () => {
  it('a pull request from a fork is answered so', async () => {
    const { github } = on
    await exec('git', ['-C', github.repository('acme', 'site'), 'branch', 'forked', 'main'])
    await commitToOrigin(github, 'forked', { 'forked.txt': 'theirs' })
    const { number } = await github.openPull({ title: 'Forked', head: 'forked', fork: 'stranger' })
    await github.comment(number, { body: `@${github.app.slug} write forked.txt: mine` })
    await expect.poll(() => answersOf(github, number)).toHaveLength(1)
    expect(answersOf(github, number)[0]).toContain('in another repository')
  })

  it('what GitHub refuses for good is given up, told, and taken again when it is sent again', async () => {
    const { github, service } = on
    const refused = github.fault({
      match: (_, path) => path.endsWith('/collaborators/alice/permission'),
      status: 403,
      body: { message: 'Resource not accessible by integration' },
    })
    const { number, guid } = await github.openIssue({ title: 'Refused at first', body: 'write given-up.txt: x' })
    await expect.poll(() => service.output()).toContain('"event":"github.given_up"')
    refused.remove()
    const { payload } = github.deliveries.find((each) => each.guid === guid) ?? {}
    await github.deliver('issues', payload ?? {}, { guid })
    await expect.poll(() => progressOf(github, number)).toContain('**Done:**')
  })
})
