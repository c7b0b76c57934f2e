import { createHmac, randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { answersOf, commitToOrigin } from '../../../test/support/issues.ts'
import { inOrigin, pullOf, shows, withWorker, type WithWorker } from './support.ts'

let on: WithWorker
beforeAll(async () => {
  on = await withWorker({ echo: true })
})
afterAll(() => on[Symbol.asyncDispose]())

describe('an issue, by the Worker', () => {
  it('becomes a pull request that closes it, with one comment that shows how the work went', async () => {
    const { github } = on
    const { number, status } = await github.openIssue({ title: 'A greeting', body: 'plan greet; wave then write hello.txt: Hello then tick 1' })
    expect(status).toBe(202)
    await shows(on, number, '**Done:**')
    const pull = await pullOf(on, number)
    expect(pull).toMatchObject({ title: 'A greeting', state: 'open' })
    expect(pull.body).toContain(`Closes #${number}`)
    expect(pull.body).toContain('hello.txt')
    expect(await inOrigin(on, 'show', `thread-issue-${number}:hello.txt`)).toBe('Hello')
    expect(await inOrigin(on, 'log', '-1', '--format=%(trailers:key=Requested-By)', `thread-issue-${number}`)).toContain('alice@users.noreply.github.com')
    expect(github.comments(number).map(({ user }) => user)).toEqual([`${github.app.slug}[bot]`])
    expect(github.reactions).toContainEqual(expect.objectContaining({ content: 'eyes', on: 'issue', of: number }))
  })

  it('shows what the agent does while it works', async () => {
    const held = on.model.hold('slow work', 1)
    const { number } = await on.github.openIssue({ title: 'Planned', body: 'plan first; second then tick 1 then write slow.txt: slow work' })
    await held.reached
    await shows(on, number, '- [ ] first')
    held.release()
    await shows(on, number, '**Done:**')
  })

  it('that asks something is answered by a comment, and nothing is proposed', async () => {
    const before = (await on.github.pulls()).length
    const { number } = await on.github.openIssue({ title: 'What is this?', body: 'I wonder @bob' })
    await shows(on, number, '**Answered.**')
    expect(answersOf(on.github, number)).toEqual([expect.stringContaining('Simulated: What is this? I wonder @\u200Bbob')])
    expect(await on.github.pulls()).toHaveLength(before)
  })

  it('goes on with a comment, in the same container and conversation', async () => {
    const { number } = await on.github.openIssue({ title: 'Twice', body: 'write first.txt: One' })
    await shows(on, number, '**Done:**')
    const { started } = on.containers
    await on.github.comment(number, { body: 'write second.txt: Two' })
    await expect.poll(() => answersOf(on.github, number), { timeout: 60_000 }).toHaveLength(1)
    expect(on.containers.started).toBe(started)
    expect(await inOrigin(on, 'ls-tree', '--name-only', `thread-issue-${number}`)).toContain('first.txt\nsecond.txt')
    expect(lastAsked('second.txt')).toContain('first.txt')
  })

  it('goes on in a new container with the conversation of the one before', async () => {
    const { number } = await on.github.openIssue({ title: 'Moved', body: 'write here.txt: One' })
    await shows(on, number, '**Done:**')
    await on.containers.end(containerOf(number))
    await on.github.comment(number, { body: 'write there.txt: Two' })
    await expect.poll(() => answersOf(on.github, number), { timeout: 60_000 }).toHaveLength(1)
    expect(await inOrigin(on, 'ls-tree', '--name-only', `thread-issue-${number}`)).toContain('here.txt')
    expect(await inOrigin(on, 'ls-tree', '--name-only', `thread-issue-${number}`)).toContain('there.txt')
    expect(lastAsked('there.txt')).toContain('write here.txt: One')
    expect(lastAsked('there.txt')).not.toContain('is lost')
  })

  it('is interrupted by a newer comment; what was done by then is kept', async () => {
    const { number } = await on.github.openIssue({ title: 'Interrupted', body: 'write early.txt: One then wait 120 seconds' })
    await shows(on, number, '- [x] Working on a solution')
    await on.github.comment(number, { body: 'write late.txt: Two' })
    await shows(on, number, '**Done:**')
    expect(await inOrigin(on, 'ls-tree', '--name-only', `thread-issue-${number}`)).toMatch(/early\.txt\n(.*\n)*late\.txt/)
    expect(await inOrigin(on, 'log', '--format=%s', `thread-issue-${number}`)).toContain('Interrupted by new message')
  })

  it('that is closed is let go: what runs is stopped, and its container ended', async () => {
    const { number } = await on.github.openIssue({ title: 'Closed', body: 'write half.txt: One then wait 120 seconds' })
    await shows(on, number, '- [x] Working on a solution')
    await on.github.closeIssue(number)
    await shows(on, number, '**Closed.**')
    await expect.poll(() => on.containers.running.some((name) => name.endsWith(`/issue-${number}`)), { timeout: 60_000 }).toBe(false)
    expect(await inOrigin(on, 'show', `thread-issue-${number}:half.txt`)).toBe('One')
  })

  it('whose base moves on and conflicts is resolved by the agent', async () => {
    const { github, model } = on
    const { number } = await github.openIssue({ title: 'Conflict', body: 'write shared.txt: theirs' })
    await shows(on, number, '**Done:**')
    const { number: pull } = await pullOf(on, number)
    await commitToOrigin(github, 'main', { 'shared.txt': 'ours', 'calm.txt': 'calm' })
    model.instead('markers (<<<<<<<, =======, >>>>>>>): shared.txt', 'write shared.txt: both')
    await github.pushed('main')
    await expect.poll(() => answersOf(github, pull), { timeout: 60_000 }).toHaveLength(1)
    expect(await inOrigin(on, 'show', `thread-issue-${number}:shared.txt`)).toBe('both')
    expect(await inOrigin(on, 'merge-base', '--is-ancestor', 'main', `thread-issue-${number}`)).toBe('')
  })

  it('whose conflicts are left is not pushed, and says so; its next message resolves them, in a new container too', async () => {
    const { github, model } = on
    const { number } = await github.openIssue({ title: 'Left', body: 'write left.txt: theirs' })
    await shows(on, number, '**Done:**')
    const { number: pull } = await pullOf(on, number)
    await commitToOrigin(github, 'main', { 'left.txt': 'ours' })
    model.instead('It was merged. These files hold conflict markers (<<<<<<<, =======, >>>>>>>): left.txt', 'write elsewhere.txt: looked away')
    await github.pushed('main')
    await expect.poll(() => answersOf(github, pull), { timeout: 60_000 }).toHaveLength(1)
    expect(answersOf(github, pull)[0]).toContain('left.txt still holds conflict markers, so nothing was pushed')
    expect(await inOrigin(on, 'show', `thread-issue-${number}:left.txt`)).toBe('theirs')
    model.instead('left.txt still hold conflict markers of a merge', 'write left.txt: both')
    await on.containers.end(containerOf(number)) // what was not pushed goes with it
    await github.comment(number, { body: 'resolve it then' })
    await expect.poll(() => answersOf(github, number), { timeout: 60_000 }).toHaveLength(1)
    expect(await inOrigin(on, 'show', `thread-issue-${number}:left.txt`)).toBe('both')
  })
})

describe('a webhook, at the Worker', () => {
  const signed = (body: string): Record<string, string> => ({
    'content-type': 'application/json',
    'x-github-event': 'issues',
    'x-github-delivery': randomUUID(),
    'x-hub-signature-256': `sha256=${createHmac('sha256', on.github.app.webhookSecret).update(body).digest('hex')}`,
  })
  const send = (body: string, headers: Record<string, string> = {}): Promise<Response> =>
    fetch(`${on.worker.url}/webhook/github`, { method: 'POST', body, headers: { ...signed(body), ...headers } })

  it('that nobody signed is refused, a ping is answered, and what is of no interest is taken and forgotten', async () => {
    expect((await send('{"zen":"x"}', { 'x-github-event': 'ping' })).status).toBe(200)
    expect((await send('{"action":"started"}', { 'x-github-event': 'star' })).status).toBe(202)
    const forged = await send('{}', { 'x-hub-signature-256': `sha256=${'a'.repeat(64)}` })
    expect(forged.status).toBe(401)
    expect(await forged.json()).toMatchObject({ success: false, error: expect.stringContaining('X-Hub-Signature-256') })
  })

  it('that is sent again makes no second pull request', async () => {
    const { number } = await on.github.openIssue({ title: 'Once', body: 'write once.txt: x' })
    await shows(on, number, '**Done:**')
    const [delivery] = on.github.deliveries.filter(({ event, payload }) => event === 'issues' && JSON.stringify(payload).includes('write once.txt'))
    const body = JSON.stringify(delivery?.payload)
    for (const id of [delivery?.guid ?? '', randomUUID()])
      expect(await (await send(body, { 'x-github-delivery': id })).json()).toMatchObject({ message: 'known already' })
    expect((await on.github.pulls()).filter(({ title }) => title === 'Once')).toHaveLength(1)
  })

  it('that did not arrive is found in the log of GitHub', async () => {
    on.github.sendTo('http://127.0.0.1:9/webhook/github')
    const { number } = await on.github.openIssue({ title: 'Missed', body: 'write missed.txt: x' })
    on.github.sendTo(`${on.worker.url}/webhook/github`)
    await (await fetch(`${on.worker.url}/cdn-cgi/local/scheduled`)).text()
    await shows(on, number, '**Done:**')
  })
})

describe('whoever runs the Worker', () => {
  it('hands an issue in, and asks how it stands', async () => {
    const { github } = on
    const { number, guid } = await github.openIssue({ title: 'By hand', body: 'write by-hand.txt: x', by: 'mallory' })
    const { payload } = github.deliveries.find((each) => each.guid === guid) ?? {}
    const taken = await on.ask('/container/process', { method: 'POST', body: JSON.stringify({ type: 'process_issue', payload, config: {} }) })
    expect(taken.status).toBe(202)
    const { commandId, repositoryId } = (await taken.json()) as { commandId: string; repositoryId: number }
    await shows(on, number, '**Done:**')
    const standing = await on.ask(`/container/jobs/${repositoryId}/${commandId}`)
    expect(await standing.json()).toMatchObject({ success: true, state: 'ended', result: { success: true, pushed: true } })
  })

  it('watches a thread by its events', async () => {
    const held = on.model.hold('watched')
    const { number } = await on.github.openIssue({ title: 'Watched', body: 'write watched.txt: x' })
    await held.reached
    const { repositoryId } = on.github.deliveries.at(-1) ?? {}
    const stop = new AbortController()
    const answer = await fetch(`${on.worker.url}/container/events/${repositoryId}/issue-${number}`, { headers: on.authorization, signal: stop.signal })
    expect(answer.headers.get('content-type')).toBe('text/event-stream')
    held.release()
    let seen = ''
    for await (const chunk of answer.body?.pipeThrough(new TextDecoderStream()) ?? []) {
      seen += chunk
      if (seen.includes('run.ended')) break
    }
    expect(seen).toContain('commit.made')
    stop.abort()
    await shows(on, number, '**Done:**')
  })

  it('is asked for the token, and told what is wrong field by field', async () => {
    for (const path of ['/config', '/container/health']) expect((await fetch(`${on.worker.url}${path}`)).status).toBe(401)
    const wrong = await on.ask('/config', { method: 'POST', body: JSON.stringify({ appId: 'x', privateKey: 'none' }) })
    expect(wrong.status).toBe(400)
    expect(await wrong.json()).toMatchObject({ success: false, errors: [expect.objectContaining({ pointer: '#/appId' })] })
    const key = await on.ask('/config', { method: 'POST', body: JSON.stringify({ privateKey: 'none' }) })
    expect(await key.json()).toMatchObject({ errors: [expect.objectContaining({ pointer: '#/privateKey' })] })
    expect((await on.ask('/container/process', { method: 'POST', body: '{' })).status).toBe(400)
    expect((await on.ask('/container/process')).status).toBe(405)
  })

  it('sees no secret in what the Worker and its containers write', () => {
    const { app, tokens } = on.github
    const written = on.output()
    for (const secret of [app.webhookSecret, app.privateKey.split('\n')[3] ?? '', 'CANARY-model-key', ...tokens.map(({ token }) => token)])
      expect(written).not.toContain(secret)
    expect(tokens.filter(({ permissions }) => permissions['contents'] === 'write').length).toBeGreaterThan(0)
  })
})

const containerOf = (number: number): string => on.containers.running.find((name) => name.endsWith(`/issue-${number}`)) ?? ''

/** The last request to the model that holds a text, as JSON. */
const lastAsked = (text: string): string =>
  on.model.requests.map((request) => JSON.stringify(request.messages)).findLast((messages) => messages.includes(text)) ?? ''
