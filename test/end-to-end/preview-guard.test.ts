import { once } from 'node:events'
import { request, type IncomingMessage } from 'node:http'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { findBrowser } from '../support/browser.ts'
import { clientOf, type Client } from '../support/client.ts'
import { startModel, type Model } from '../support/model.ts'
import { ask, devServersBelow, previewUrl, showing, shown } from '../support/previews.ts'
import { startService, type Service } from '../support/service.ts'

const browser = findBrowser()
const INDEX = 'in src/pages/index.astro'

let model: Model
let service: Service
let client: Client
let url: string
beforeAll(async () => {
  model = await startModel()
  const agent = { ANTHROPIC_BASE_URL: model.url, ANTHROPIC_API_KEY: 'CANARY-key-of-the-model' }
  const previews = { ...showing, PREVIEWS_KEPT: '1', AUTO_REPAIR: '1', PICTURES: browser === undefined ? 'false' : 'true' }
  service = await startService({ example: true, installed: true, env: { ...agent, ...previews } })
  client = clientOf(service)
  url = previewUrl(service, 'thread-a')
  await shown(client, 'a')
})
afterAll(async () => {
  await service?.[Symbol.asyncDispose]()
  await model?.[Symbol.asyncDispose]()
})

/** Asks for a socket as a browser does; the status of the answer, 101 where it is opened. */
async function socket(at: string, headers: Readonly<Record<string, string>>): Promise<number> {
  const { host, port, pathname } = new URL(at)
  const asked = request({
    host: '127.0.0.1',
    port,
    path: pathname,
    headers: { host, connection: 'Upgrade', upgrade: 'websocket', 'sec-websocket-version': '13', 'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==', ...headers },
  })
  asked.end()
  const opened = once(asked, 'upgrade').then(([answer, stream]) => {
    stream.destroy()
    return answer
  })
  const [answer] = [await Promise.race([opened, once(asked, 'response').then(([first]) => first)])] as [IncomingMessage]
  answer.resume()
  return answer.statusCode ?? 0
}

describe('a preview', () => {
  it.each([
    '/@fs/etc/passwd',
    '/@fs/etc/passwd?raw??',
    '/etc/passwd?raw',
    '/@id//etc/passwd?raw',
    '/.env',
    '/.git/config',
    '/__open-in-editor?file=src/pages/index.astro',
  ])('does not answer for %s', async (path) => {
    expect((await ask(`${url}${path.slice(1)}`)).status).toBe(403)
  })

  it('answers under its own names alone, and no page of another origin', async () => {
    expect((await ask(url, { host: 'evil.example' })).status).toBe(421)
    expect((await ask(url, { host: 'thread-nobody.localhost' })).status).toBe(404)
    expect((await ask(url, { origin: 'http://evil.example' })).status).toBe(403)
    expect((await ask(url, { origin: url.replace('thread-a', 'thread-b').slice(0, -1) })).status).toBe(403)
    expect((await ask(`${url}src/styles/site.css`, { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'no-cors' })).status).toBe(403)
    expect((await ask(url)).status).toBe(200)
  })

  it('opens its socket to its own pages alone', async () => {
    const token = /const wsToken = "([^"]+)"/.exec(await (await ask(`${url}@vite/client`)).text())?.[1]
    const at = `${url}?token=${token}`
    const hmr = { 'sec-websocket-protocol': 'vite-ping' }
    expect(await socket(at, { ...hmr, origin: url.slice(0, -1) })).toBe(101)
    expect(await socket(at, hmr)).toBe(403)
    expect(await socket(at, { ...hmr, origin: 'http://evil.example' })).toBe(403)
    expect(await socket(at, { ...hmr, origin: url.replace('thread-a', 'thread-b').slice(0, -1) })).toBe(403)
    expect(await socket(at, { ...hmr, origin: url.slice(0, -1), host: 'evil.example' })).toBe(421)
    expect(await socket(at, { origin: url.slice(0, -1) })).toBe(400)
  })

  it('is mended by its agent where that is asked for, in the same run and commit', async () => {
    model.instead('preview of the site shows errors', `replace <h1 {{{> with <h1> ${INDEX}`)
    const result = await client.run('a', `replace <h1>Fresh with <h1 {{{>Warm ${INDEX}`)
    expect(result).toMatchObject({ success: true, summary: expect.stringContaining('<h1 {{{>Warm'), filesChanged: ['src/pages/index.astro'] })
    expect(result.pageErrors).toBeUndefined()
    expect(await client.git('log', '--format=%s', 'thread-a')).not.toContain('\n\n')
    expect(await (await ask(url)).text()).toContain('Warm bread')
  })

  it('is asked to be mended no more often than that', async () => {
    const asked = (): number => model.requests.filter(({ messages }) => JSON.stringify(messages.at(-1)).includes('preview of the site shows errors')).length
    model.instead('so that it stays broken', `replace <h1> with <h1 {{{ so that it stays broken> ${INDEX}`)
    const before = asked()
    const result = await client.run('a', `replace <p> with <p {{{> ${INDEX} then write src/other.txt: so broken`)
    expect(result.pageErrors).toEqual([expect.stringMatching(/^src\/pages\/index\.astro:/)])
    expect(asked() - before).toBeLessThanOrEqual(1)
    await client.run('a', '', { type: 'commit', instruction: 'keep' })
    expect(await client.call('POST', client.thread('a', 'undo'), {})).toMatchObject({ status: 200, body: { success: true } })
    expect(await shown(client, 'a')).toMatchObject({ success: true })
  })

  it.skipIf(browser === undefined)(
    `has pictures of its pages before and after a run${browser === undefined ? ' (skipped: there is no Chromium)' : ''}`,
    async () => {
      const result = await client.run('a', `replace Warm bread with Cold bread ${INDEX}`)
      expect(result.pictures).toHaveLength(2)
      const taken = await Promise.all((result.pictures ?? []).map((path) => fetch(`${service.url}${path}`)))
      const bytes = await Promise.all(taken.map(async (answer) => Buffer.from(await answer.arrayBuffer())))
      for (const [at, answer] of taken.entries()) {
        expect(answer.headers.get('content-type')).toBe('image/png')
        expect(bytes[at]?.subarray(1, 4).toString('latin1')).toBe('PNG')
      }
      expect(bytes[0]?.equals(bytes[1] ?? Buffer.alloc(0))).toBe(false)
      const next = await client.run('a', `replace Cold bread with Good bread ${INDEX}`)
      expect(next.pictures?.[0]).toBe(result.pictures?.[1]) // how it was before is how the run before has left it
      expect((await client.call('GET', client.thread('a', 'pictures/..%2f..%2fjournal.sqlite'))).status).toBe(400)
      expect((await client.call('GET', client.thread('b', 'pictures/home-000000000000.png'))).status).toBe(404)
    },
  )

  it('gives its place to another one that is looked at, and comes back when it is asked for', async () => {
    await client.run('a', 'write public/place.txt: of thread a')
    expect(await shown(client, 'b')).toMatchObject({ success: true })
    const standing = async (thread: string): Promise<string> => (await client.call('GET', client.thread(thread, 'preview'))).body.preview.state
    expect([await standing('a'), await standing('b')]).toEqual(['stopped', 'ready'])
    expect((await ask(url, { accept: 'text/html' })).status).toBe(503)
    while ((await standing('a')) !== 'ready') await new Promise((resolve) => setTimeout(resolve, 100))
    expect(await (await ask(`${url}place.txt`)).text()).toContain('of thread a')
    expect([await standing('a'), await standing('b')]).toEqual(['ready', 'stopped'])
  })

  it('is stopped and started over HTTP', async () => {
    const verb = async (name: string) => (await client.call('POST', client.thread('a', `preview/${name}`), {})).body.preview
    expect(await verb('stop')).toMatchObject({ state: 'stopped', url })
    expect(await verb('start')).toMatchObject({ state: 'starting' })
    expect(await shown(client, 'a')).toMatchObject({ success: true })
    expect(await verb('restart')).toMatchObject({ state: 'starting' })
    expect(await shown(client, 'a')).toMatchObject({ success: true })
    expect((await client.call('POST', client.thread('nobody', 'preview/start'), {})).status).toBe(404)
  })

  it('that was asked for when the service was killed is there after the next start, with one server and no more', async () => {
    const id = await client.post('b', '', { type: 'preview' })
    await service.kill()
    await service.restart()
    expect(await client.result(id)).toMatchObject({ success: true })
    expect(devServersBelow(service.workspace)).toHaveLength(1)
  })

  it('is shown to whoever has a link, where others can reach it', async () => {
    await service.restart({ PREVIEW_DOMAIN: 'preview.example.com' })
    const port = /https:\/\/thread-\{id\}\.preview\.example\.com\/, answered at http:\/\/127\.0\.0\.1:(\d+)$/m.exec(service.output())?.[1]
    const open = (path: string, headers: Readonly<Record<string, string>> = {}) => ask(`http://thread-a.preview.example.com:${port}${path}`, headers)
    expect(await shown(client, 'a')).toMatchObject({ success: true, previewUrl: 'https://thread-a.preview.example.com/' })
    expect((await open('/')).status).toBe(403)
    expect((await open('/', { host: 'thread-a.localhost' })).status).toBe(403)
    const { body } = await client.call('POST', client.thread('a', 'preview/link'), { minutes: 5 })
    const link = new URL(body.url)
    expect(link.origin).toBe('https://thread-a.preview.example.com')
    const entered = await open(`${link.pathname}${link.search}`)
    expect([entered.status, entered.headers.get('location'), entered.headers.get('referrer-policy')]).toEqual([303, '/', 'no-referrer'])
    const cookie = entered.headers.get('set-cookie')?.split(';')[0] ?? ''
    expect((await open('/', { cookie })).status).toBe(200)
    expect((await open('/', { cookie, host: 'thread-b.preview.example.com' })).status).toBe(403)
    expect((await open(`${link.pathname}${link.search.slice(0, -1)}`)).status).toBe(403)
  })
})
