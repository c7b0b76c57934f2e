import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { ClientId, ProjectId, ThreadId, UserId } from '../../src/command/ids.ts'
import { ThreadLinks } from '../../src/ways/http/links.ts'
import { clientOf, type Client } from '../support/client.ts'
import { startService, type Service } from '../support/service.ts'

const TOKEN = 'CANARY-token-of-ben'
let folder = ''
let [service, ben]: [Service, Client] = [undefined!, undefined!]

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'branchline-share-'))
  const file = join(folder, 'tokens.json')
  await writeFile(file, JSON.stringify([{ name: 'Ben', token: TOKEN, role: 'work' }]))
  service = await startService({ env: { API_TOKENS_FILE: file } })
  ben = clientOf(service, 'me', TOKEN)
})
afterAll(async () => {
  await service?.[Symbol.asyncDispose]()
  await rm(folder, { recursive: true, force: true })
})

const requester = (thread: string): Promise<string> => ben.git('log', '-1', '--format=%(trailers:key=Requested-By,valueonly,separator=)', `thread-${thread}`)
const tokenIn = (url: string): string => url.split('?key=')[1] ?? ''

it('a commit names whoever asked: the name of the token, the name on the link, and before both the address that a message gives', async () => {
  await ben.run('one', 'write a.txt: a')
  expect(await requester('one')).toBe('Ben')
  await ben.run('one', 'write b.txt: b', { userEmail: 'ada@example.com' })
  expect(await requester('one')).toBe('ada@example.com')
  const { body } = await ben.call('POST', ben.thread('one', 'share'), { role: 'work', name: 'Anna', minutes: 5 })
  const anna = clientOf(service, 'me', tokenIn(body.url))
  expect(await anna.run('one', 'write c.txt: c')).toMatchObject({ success: true })
  expect(await requester('one')).toBe('Anna')
})

it('what somebody watches by a link ends with the link, though nothing happens', async () => {
  await ben.run('two', 'write a.txt: a')
  const links = new ThreadLinks(await readFile(join(service.workspace, '.branchline', 'preview-links.key')))
  const thread = { clientId: ClientId.parse('acme'), userId: UserId.parse('me'), projectId: ProjectId.parse('project'), threadId: ThreadId.parse('two') }
  const expiresAt = Date.now() + 3000
  const headers = { authorization: `Bearer ${links.token({ thread, role: 'view', name: 'Anna', expiresAt })}` }
  const watch = (): Promise<Response> => fetch(`${service.url}${ben.thread('two', 'events?presence=true')}`, { headers, signal: AbortSignal.timeout(20_000) })
  const answer = await watch()
  expect(answer.status).toBe(200)
  expect(await answer.text()).toContain('run.ended') // all of it, so it has ended
  expect(Date.now()).toBeGreaterThanOrEqual(expiresAt)
  expect((await watch()).status).toBe(401)
})
