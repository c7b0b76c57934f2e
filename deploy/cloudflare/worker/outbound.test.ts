import { reset, runInDurableObject } from 'cloudflare:test'
import { env, exports } from 'cloudflare:workers'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { ContainerObject } from './container.ts'
import { isGitOf } from './outbound.ts'

const REPOSITORY = { owner: 'acme', name: 'site' }
const PASSES = { git: 'a-pass-of-git', model: 'a-pass-of-the-model' }
const sent = () => vi.mocked(fetch).mock.calls.map(([request]) => request as Request)

beforeEach(async () => {
  vi.spyOn(globalThis, 'fetch').mockImplementation(async () => new Response('ok'))
  await runInDurableObject(env.CONTAINER.getByName('1/issue-1'), (_, { storage }) =>
    storage.kv.put('started', { instance: 'i', startedAt: 1, token: 't', passes: PASSES }),
  )
})
afterEach(async () => {
  vi.restoreAllMocks()
  await reset()
})

const out = (url: string, headers: Record<string, string>): Promise<Response> =>
  exports.Outbound({ props: { container: '1/issue-1', repository: REPOSITORY } }).fetch(new Request(url, { headers }))

describe('what leaves a container', () => {
  it.each([
    ['/acme/site.git/info/refs', true],
    ['/Acme/Site/git-receive-pack', true],
    ['/acme/site.git/git-upload-pack', true],
    ['/acme/other.git/git-receive-pack', false],
    ['/acme/site.git/../other.git/git-receive-pack', false],
    ['/acme/site/settings', false],
    ['/acme/site.git/git-receive-pack/x', false],
  ])('%s is git of its repository: %s', (path, is) => expect(isGitOf(REPOSITORY, path)).toBe(is))

  it('without the pass goes out as it is: an agent gets no credential by asking for itself', async () => {
    await out('http://github.invalid/acme/site.git/git-receive-pack', {})
    await out('http://github.invalid/acme/site.git/git-receive-pack', { authorization: `Basic ${btoa('x:guessed')}` })
    await out('https://api.anthropic.com/v1/messages', { 'x-api-key': 'guessed' })
    expect(sent().map(({ headers }) => [headers.get('authorization'), headers.get('x-api-key')])).toEqual([
      [null, null],
      [`Basic ${btoa('x:guessed')}`, null],
      [null, 'guessed'],
    ])
  })

  it('with the pass of the service gets the real credential, each for what it is for', async () => {
    const token = vi.spyOn(ContainerObject.prototype, 'tokenFor').mockImplementation(async (shown) => (shown === PASSES.git ? 'a-real-token' : undefined))
    const basic = (text: string): string => `Basic ${btoa(`x-access-token:${text}`)}`
    await out('http://github.invalid/acme/site.git/git-receive-pack', { authorization: basic(PASSES.git) })
    await out('https://api.anthropic.com/v1/messages', { 'x-api-key': PASSES.model })
    expect(sent().map(({ headers }) => [headers.get('authorization'), headers.get('x-api-key')])).toEqual([
      [basic('a-real-token'), null],
      [null, 'CANARY-model-key-2b71'],
    ])
    vi.mocked(fetch).mockClear()
    await out('http://github.invalid/acme/other.git/git-receive-pack', { authorization: basic(PASSES.git) })
    await out('http://github.invalid/acme/site.git/git-receive-pack', { authorization: basic(PASSES.model) })
    await out('https://api.anthropic.com/v1/messages', { 'x-api-key': PASSES.git })
    await out('https://api.anthropic.com/v1/files', { 'x-api-key': PASSES.model })
    await out('https://example.com/v1/messages', { 'x-api-key': PASSES.model })
    expect(JSON.stringify(sent().map(({ headers }) => [...headers]))).not.toMatch(/real-token|CANARY/)
    expect(token).toHaveBeenCalledTimes(2)
  })

  it('with what is no credential at all goes out as it is', async () => {
    for (const authorization of ['Basic %%%', 'Basic =', 'Bearer', 'x']) await out('http://github.invalid/acme/site.git/info/refs', { authorization })
    expect(sent()).toHaveLength(4)
  })
})
