import { execFile } from 'node:child_process'
import { createPrivateKey } from 'node:crypto'
import { existsSync } from 'node:fs'
import { rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { answersOf, commitToOrigin, progressOf, stepsOf, withGitHub, type WithGitHub } from '../support/issues.ts'

const exec = promisify(execFile)
let on: WithGitHub
beforeAll(async () => {
  on = await withGitHub({ echo: true })
})
afterAll(() => on[Symbol.asyncDispose]())

const inOrigin = async (...args: string[]): Promise<string> => (await exec('git', ['-C', on.github.repository('acme', 'site'), ...args])).stdout.trim()
const shows = (number: number, text: string): Promise<void> => expect.poll(() => progressOf(on.github, number)).toContain(text)
const answered = (number: number, count: number): Promise<void> => expect.poll(() => answersOf(on.github, number)).toHaveLength(count)
const pullOf = async (number: number) => {
  const pull = (await on.github.pulls()).find(({ pull: { head } }) => head === `thread-issue-${number}`)
  if (pull === undefined) throw new Error(`no pull request of issue ${number}`)
  return pull
}
const commitTo = (branch: string, files: Readonly<Record<string, string>>): Promise<void> => commitToOrigin(on.github, branch, files)
/** An issue that has its pull request. */
async function proposed(title: string, body: string): Promise<{ readonly number: number; readonly pull: number }> {
  const { number } = await on.github.openIssue({ title, body })
  await shows(number, '**Done:**')
  return { number, pull: (await pullOf(number)).number }
}

describe('an issue', () => {
  it('becomes a pull request that closes it, with one comment that shows how the work went', async () => {
    const { github } = on
    const { number, status } = await github.openIssue({ title: 'A greeting', body: 'plan greet; wave then write hello.txt: Hello then tick 1' })
    expect(status).toBe(202)
    await shows(number, '**Done:**')
    const pull = await pullOf(number)
    expect(pull).toMatchObject({ title: 'A greeting', state: 'open' })
    expect(pull.body).toContain(`Closes #${number}`)
    expect(pull.body).toContain('Planned greet, wave')
    expect(await inOrigin('show', `thread-issue-${number}:hello.txt`)).toBe('Hello')
    expect(await inOrigin('log', '-1', '--format=%(trailers:key=Requested-By)', `thread-issue-${number}`)).toContain('alice@users.noreply.github.com')
    expect(github.comments(number).map(({ user }) => user)).toEqual([`${github.app.slug}[bot]`])
    expect(github.reactions).toContainEqual(expect.objectContaining({ content: 'eyes', on: 'issue', of: number }))
    const steps = await stepsOf(on, `issue-${number}`)
    const all = ['received', 'verified', 'container', 'workspace', 'analysis', 'solution', 'changes', 'branch', 'pull request', 'clean-up']
    expect(steps.toSorted()).toEqual(all.toSorted())
    expect(steps.slice(0, 4)).toEqual(all.slice(0, 4))
    expect(steps.slice(-4)).toEqual(all.slice(-4))
  })

  it('shows the plan of the agent while it works', async () => {
    const gate = join(tmpdir(), `branchline-gate-${process.pid}`)
    const { number } = await on.github.openIssue({
      title: 'Planned',
      body: `plan first; second then tick 1 then run while [ ! -e ${gate} ]; do sleep 0.05; done`,
    })
    await shows(number, '- [x] first\n- [ ] second')
    await writeFile(gate, '')
    await shows(number, '**Answered.**')
    await rm(gate)
  })

  it('that asks something is answered by a comment, and nothing is proposed', async () => {
    const before = (await on.github.pulls()).length
    const { number } = await on.github.openIssue({ title: 'What is this?', body: 'I wonder @bob' })
    await shows(number, '**Answered.**')
    expect(answersOf(on.github, number)).toEqual([expect.stringContaining('Simulated: What is this? I wonder @\u200Bbob')])
    expect(await on.github.pulls()).toHaveLength(before)
  })

  it('whose title shows nothing gets one', async () => {
    const { number } = await on.github.openIssue({ title: '\u3164\u3164', body: 'write untitled.txt: x' })
    await shows(number, '**Done:**')
    expect((await pullOf(number)).title).toBe(`Issue ${number}`)
  })

  it('for which GitHub opens no pull request is told so', async () => {
    const { github } = on
    const refused = github.fault({ match: (method, path) => method === 'POST' && path.endsWith('/pulls'), status: 422, body: { message: 'Validation Failed' } })
    const { number } = await github.openIssue({ title: 'Refused', body: 'write refused.txt: x' })
    await shows(number, '**This did not work.**')
    expect(answersOf(github, number)[0]).toContain('GitHub opens no pull request for it')
    refused.remove()
  })

  it('whose work fails says so and what to do', async () => {
    on.model.fail('cannot be done', 400, 9)
    const { number } = await on.github.openIssue({ title: 'This cannot be done', body: '' })
    await shows(number, '**This did not work.**')
    expect(answersOf(on.github, number)).toEqual([expect.stringMatching(/did not work.*\n\n.*comment/s)])
  })

  it('is worked on when it is given a label or to somebody that the settings name, and then once', async () => {
    await commitTo('main', { '.github/branchline.yml': 'triggers:\n  opened: false\n  labels: [robot]\n  assignees: [alice]\n' })
    const { github } = on
    const { number } = await github.openIssue({ title: 'Labelled', body: 'write labelled.txt: yes' })
    const before = github.requests.length
    await github.label(number, 'other')
    const since = (part: string) => github.requests.slice(before).filter(({ path }) => path.includes(part))
    await expect.poll(() => since('/contents/').length).toBe(1)
    expect(since('/collaborators/')).toEqual([]) // nobody asks whether alice may, since it is not for us
    await github.label(number, 'robot')
    await github.assign(number, 'alice')
    await shows(number, '**Done:**')
    expect(await inOrigin('rev-list', '--count', `main..thread-issue-${number}`)).toBe('1')
    await commitTo('main', { '.github/branchline.yml': '' })
  })

  it('in a repository whose settings are not valid says which field is wrong', async () => {
    await commitTo('main', { '.github/branchline.yml': 'draft: perhaps\nrun: rm -rf /\n' })
    const { number } = await on.github.openIssue({ title: 'Anything', body: 'write x.txt: x' })
    await answered(number, 1)
    expect(answersOf(on.github, number)[0]).toMatch(/branchline\.yml.*draft: must be true or false; run: is not a setting/)
    await commitTo('main', { '.github/branchline.yml': '' })
  })

  it('may not change workflows, and its comment says why', async () => {
    const { number } = await on.github.openIssue({ title: 'Workflow', body: 'write .github/workflows/evil.yml: on: push' })
    await shows(number, '**This did not work.**')
    expect(answersOf(on.github, number)[0]).toContain('.github/workflows/evil.yml would be changed')
    expect(await inOrigin('branch', '--list', `thread-issue-${number}`)).toBe('')
  })
})

describe('what is written later', () => {
  it('is the next message: a comment, a review, a comment in it; each is answered where it was written', async () => {
    const { github } = on
    const { number, pull } = await proposed('Colours', 'write colour.txt: red')
    await github.comment(number, { body: 'write shape.txt: round' })
    await answered(number, 1)
    await github.review(pull, { body: 'write colour.txt: blue', state: 'changes_requested' })
    await answered(pull, 1)
    const { id } = await github.reviewComment(pull, { body: 'write colour.txt: green', path: 'colour.txt', line: 1 })
    await expect.poll(() => github.reviewComments(pull).map(({ body, inReplyTo }) => [inReplyTo, body.split(' ')[0]])).toContainEqual([id, 'Done'])
    expect(await inOrigin('show', `thread-issue-${number}:colour.txt`)).toBe('green')
    expect(await inOrigin('show', `thread-issue-${number}:shape.txt`)).toBe('round')
    expect((await github.pulls()).filter(({ pull: { head } }) => head === `thread-issue-${number}`)).toHaveLength(1)
  })

  it('interrupts what is being done; both pieces of work are on the branch', async () => {
    const { github } = on
    const { number } = await github.openIssue({ title: 'Slow', body: 'write slow.txt: slow then wait 60 seconds' })
    const working = () =>
      on.model.requests.some(({ messages }) => messages.some(({ role }) => role === 'tool') && JSON.stringify(messages).includes('write slow.txt'))
    await expect.poll(working).toBe(true)
    await github.comment(number, { body: 'write quick.txt: quick' })
    await shows(number, '**Done:**')
    expect(await inOrigin('log', '--format=%s', `main..thread-issue-${number}`)).toBe('Wrote quick.txt\nInterrupted by new message')
    expect(await inOrigin('show', `thread-issue-${number}:slow.txt`)).toBe('slow')
  })

  it('of a failed check is given to the agent, three times at most', async () => {
    const { github, model } = on
    const { number, pull } = await proposed('Checked', 'write checked.txt: 0')
    for (const round of [1, 2, 3]) {
      model.instead(`the build broke, round ${round}`, `write checked.txt: ${round}`)
      const {
        pull: { headSha },
      } = await pullOf(number)
      await github.checkRun(headSha, { name: 'lint', status: 'in_progress' })
      await github.checkRun(headSha, { name: 'build', conclusion: 'failure', summary: `the build broke, round ${round}` })
      await github.checkRun(headSha, { name: 'lint', conclusion: 'success' })
      await answered(pull, round)
      expect(await inOrigin('show', `thread-issue-${number}:checked.txt`)).toBe(String(round))
    }
    const {
      pull: { headSha },
    } = await pullOf(number)
    await github.checkRun(headSha, { name: 'build', conclusion: 'failure', summary: 'once more' })
    await answered(pull, 4)
    expect(answersOf(github, pull)[3]).toContain('a person has to look')
  })

  it('on the default branch is merged in where it conflicts, and the agent resolves it', async () => {
    const { github, model } = on
    const { number, pull } = await proposed('Conflict', 'write conflict.txt: theirs')
    await commitTo('main', { 'conflict.txt': 'ours', 'calm.txt': 'calm' })
    model.instead('markers (<<<<<<<, =======, >>>>>>>): conflict.txt', 'write conflict.txt: both')
    await github.pushed('main')
    await answered(pull, 1)
    expect(await inOrigin('show', `thread-issue-${number}:conflict.txt`)).toBe('both')
    expect(await inOrigin('merge-base', '--is-ancestor', 'main', `thread-issue-${number}`)).toBe('')
    await expect
      .poll(async () => (await exec('git', ['-C', github.repository('acme', 'site'), 'merge-tree', '--write-tree', 'main', `thread-issue-${number}`])).stdout)
      .toMatch(/^[0-9a-f]{40}$/m)
  })

  it('that is merged in and not resolved is not pushed; the next message is told of it', async () => {
    const { github, model } = on
    const { number, pull } = await proposed('Left', 'write left.txt: theirs')
    await commitTo('main', { 'left.txt': 'ours' })
    model.instead('It was merged. These files hold conflict markers (<<<<<<<, =======, >>>>>>>): left.txt', 'write elsewhere.txt: looked away')
    await github.pushed('main')
    await answered(pull, 1)
    expect(answersOf(github, pull)[0]).toContain('left.txt still holds conflict markers, so nothing was pushed')
    expect(await inOrigin('show', `thread-issue-${number}:left.txt`)).toBe('theirs')
    model.instead('left.txt still hold conflict markers of a merge', 'write left.txt: both')
    await github.comment(number, { body: 'resolve it then' })
    await answered(number, 1)
    expect(await inOrigin('show', `thread-issue-${number}:left.txt`)).toBe('both')
  })

  it('after the pull request was merged begins anew; the thread before it is parked', async () => {
    const { github, client } = on
    const { number, pull } = await proposed('Merged', 'write merged.txt: one')
    const { body } = await client.call('POST', '/api/init', { clientId: 'acme', userId: 'github', projectId: 'site', threadId: `issue-${number}` })
    expect(existsSync(body.workspace.projectPath)).toBe(true)
    await github.closePull(pull, { merged: true })
    await shows(number, '**Closed.**')
    expect(existsSync(body.workspace.projectPath)).toBe(false)
    await github.comment(number, { body: 'write merged.txt: two' })
    await expect.poll(async () => (await github.pulls()).map(({ pull: { head } }) => head)).toContain(`thread-issue-${number}.2`)
    expect(await inOrigin('rev-list', '--count', `main..thread-issue-${number}.2`)).toBe('1')
    // The old pull request is closed once more: that is no affair of the thread that came after it.
    await github.closePull(pull, { merged: false })
    await github.comment(number, { body: 'write merged.txt: three' })
    await expect.poll(() => inOrigin('show', `thread-issue-${number}.2:merged.txt`)).toBe('three')
    // What is parked comes back with the next message to it.
    expect(await client.run(`issue-${number}`, 'write more.txt: more', { projectId: 'site' })).toMatchObject({ success: true, filesChanged: ['more.txt'] })
  })

  it('on a pull request of somebody else becomes a pull request for its branch', async () => {
    const { github } = on
    await exec('git', ['-C', github.repository('acme', 'site'), 'branch', 'theirs', 'main'])
    await commitTo('theirs', { 'theirs.txt': 'theirs' })
    const { number } = await github.openPull({ title: 'Theirs', head: 'theirs' })
    await github.comment(number, { body: 'nobody is asked' })
    await github.comment(number, { body: `@${github.app.slug} \n\nwrite theirs.txt: better` })
    await expect
      .poll(async () => (await github.pulls()).find(({ pull: { head } }) => head === `thread-pull-${number}`))
      .toMatchObject({ pull: { base: 'theirs' } })
    expect(await inOrigin('show', `thread-pull-${number}:theirs.txt`)).toBe('better')
  })
})

describe('who is not heard', () => {
  it('strangers, bots, people who may only read, and comments that were changed later', async () => {
    const { github, model } = on
    github.permissions.set('bob', 'read').set('max', 'broken')
    const { number } = await proposed('Guarded', 'write guarded.txt: mine')
    const asked = model.requests.length
    const { id } = await github.comment(number, { body: 'looks good', by: 'bob' })
    await github.comment(number, { body: 'write guarded.txt: strange', by: 'mallory' })
    await github.comment(number, { body: 'write guarded.txt: read', by: 'bob' })
    await github.comment(number, { body: 'write guarded.txt: bot', by: 'helper[bot]' })
    await github.editComment(id, { body: 'write guarded.txt: edited', by: 'alice' })
    await github.openIssue({ title: 'write guarded.txt: opened', body: '', by: 'mallory' })
    // Whoever GitHub cannot tell of is not let in either; it is asked again later.
    const later = (): number => on.service.output().split('"event":"github.later"').length
    const before = later()
    await github.comment(number, { body: 'write guarded.txt: unknown', by: 'max' })
    await expect.poll(later).toBeGreaterThan(before)
    await proposed('After that', 'write after.txt: heard')
    expect(await inOrigin('show', `thread-issue-${number}:guarded.txt`)).toBe('mine')
    const texts = JSON.stringify(model.requests.slice(asked).map(({ messages }) => messages))
    expect(texts).not.toContain('guarded.txt: ')
    github.permissions.set('max', 'none')
  })
})

it('no secret is anywhere: not in comments, pull requests, git objects, logs or events', async () => {
  const { github, service } = on
  // As it was entered, and as it is kept.
  const keys = [github.app.privateKey, createPrivateKey(github.app.privateKey).export({ type: 'pkcs8', format: 'pem' }).toString()]
  const secrets = [...github.tokens.map(({ token }) => token), github.app.webhookSecret, ...keys.map((pem) => pem.split('\n')[3] ?? '')]
  expect(secrets.every((secret) => secret.length > 20)).toBe(true)
  const bodies = JSON.stringify([...(await github.pulls()), ...Array.from({ length: 60 }, (_, at) => github.comments(at + 1))])
  const { stdout: objects } = await exec('sh', ['-c', 'git -C "$0" cat-file --batch-all-objects --batch', github.repository('acme', 'site')], {
    maxBuffer: 1e9,
    encoding: 'latin1',
  })
  const kept = await exec('grep', ['-rlF', '-e', secrets.join('\n'), service.workspace]).catch((error: { code: number; stdout: string }) => error)
  for (const secret of secrets) for (const place of [bodies, objects, service.output()]) expect(place.includes(secret)).toBe(false)
  expect(kept).toMatchObject({ code: 1, stdout: '' }) // grep has looked, and found nothing
  // Each token of a push is for one repository, and was taken back.
  expect(github.pushes.length).toBeGreaterThan(0)
  for (const { token } of github.pushes)
    expect(github.tokens.find((each) => each.token === token)).toMatchObject({ revoked: true, selected: true, repositories: ['acme/site'] })
})
