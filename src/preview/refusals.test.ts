import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { hostOf, refusalOf } from './refusals.ts'

const hosts = { domain: 'preview.example.com', names: ['box.local'] }

describe('a host', () => {
  it.each([
    ['thread-hello.localhost:4321', 'thread-hello'],
    ['THREAD-Hello.LOCALHOST:4321', 'thread-hello'],
    ['thread-hello.preview.example.com', 'thread-hello'],
    ['localhost:4321', undefined],
    ['127.0.0.1', undefined],
    ['[::1]:4321', undefined],
    ['box.local:4321', undefined],
    ['preview.example.com', undefined],
  ])('%s stands for %s', (header, label) => {
    expect(hostOf(header, hosts)).toMatchObject({ name: header.toLowerCase() })
    expect(hostOf(header, hosts)?.label).toBe(label)
  })

  it.each([
    undefined,
    '',
    'evil.com',
    'localhost.evil.com',
    'a.b.localhost',
    '-.localhost',
    'thread-hello.preview.example.com.evil.com',
    'evilpreview.example.com',
    '10.0.0.1',
  ])('%s is none of ours', (header) => {
    expect(hostOf(header, hosts)).toBeUndefined()
  })
})

describe('a request', () => {
  let [folder, workTree, cache] = ['', '', '']
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'branchline-refusals-'))
    ;[workTree, cache] = [join(folder, '.worktrees', 'slot'), join(folder, '.worktrees', 'slot.preview')]
    await mkdir(join(workTree, 'public'), { recursive: true })
    await writeFile(join(workTree, 'public', 'logo.svg'), '')
    await writeFile(join(folder, 'secret.txt'), '')
  })
  afterAll(async () => rm(folder, { recursive: true, force: true }))
  const asked = (url: string, headers: Record<string, string> = {}) =>
    refusalOf({ url, headers, host: hostOf('thread-a.localhost:4321', hosts)!, workTree, caches: [cache] })

  it.each([
    '/',
    '/about?x=1',
    '/@vite/client',
    '/@id/astro:scripts/page.js',
    '/@id/__x00__virtual:thing',
    '/src/styles/site.css?direct',
    '/src/pages/index.astro?astro&type=script&index=0&lang.ts',
    '/node_modules/.vite/deps/preact.js?v=1',
    '/.well-known/security.txt',
    '/.svelte-kit/generated/client/app.js',
    '/node_modules/.pnpm/preact@10/node_modules/preact/dist/preact.mjs',
    '/logo.svg?raw',
    '/caf%C3%A9',
  ])('for %s is let through', async (url) => {
    expect(await asked(url)).toBeUndefined()
  })

  it('for a file of the site or of its caches by its path is let through', async () => {
    expect(await asked(`/@fs${workTree}/src/x.ts`)).toBeUndefined()
    expect(await asked(`/base/@fs${cache}/vite/deps/preact.js?v=1`)).toBeUndefined()
  })

  it.each([
    '/@fs/etc/passwd',
    '/@fs/etc/passwd?raw??',
    '/@fs//etc/passwd?import&raw',
    '/base/@fs/etc/passwd',
    '/%40fs/etc/passwd',
    '/@%66s/etc/passwd',
    '/@id//etc/passwd?raw',
    '/@id/file:///etc/passwd?import',
    '/@id/@fs/etc/passwd',
    '/etc/passwd?raw',
    '//etc/passwd?url',
    '/etc/passwd?import&inline',
    '/.env',
    '/.git/config',
    '/%2eenv',
    '/src/.secret',
    '/__open-in-editor?file=x',
    '/base/__open-in-editor?file=x',
    '/__nextjs_launch-editor?file=x',
    '/__OPEN-IN-EDITOR?file=x',
    '/__open-in-editor.x?file=x',
    '/etc/passwd?%72aw',
    '/etc/passwd?im%70ort&r%61w',
    '/_image?href=/@fs/etc/passwd&f=svg',
    '/_image?href=%2F%40fs%2Fetc%2Fpasswd',
  ])('for %s is refused', async (url) => {
    expect(await asked(url)).toMatchObject({ status: 403 })
  })

  it.each([
    '/../etc/passwd',
    '/a/../../etc/passwd',
    '/%2e%2e/etc/passwd',
    '/..%2fetc/passwd',
    '/%252e%252e/x',
    '/a%00b',
    '/a%5c..%5cb',
    '/a\\b',
    '/#/../x',
    '/%',
    '/%ff',
    'etc',
  ])('for %s cannot be read in one way only, and is refused', async (url) => {
    expect(await asked(url)).toMatchObject({ status: 400 })
  })

  it('for files beside the work tree is refused, whatever their path looks like', async () => {
    expect(await asked(`/@fs${folder}/secret.txt`)).toMatchObject({ status: 403 })
    expect(await asked(`/@fs${workTree}-other/x`)).toMatchObject({ status: 403 })
    expect(await asked(`/@fs${workTree}/.env`)).toMatchObject({ status: 403 })
    expect(await asked(`${folder}/secret.txt?raw`)).toMatchObject({ status: 403 })
  })

  it('of another page is refused, but for going there', async () => {
    expect(await asked('/', { origin: 'http://evil.com' })).toMatchObject({ status: 403 })
    expect(await asked('/', { origin: 'null' })).toMatchObject({ status: 403 })
    expect(await asked('/', { origin: 'http://thread-b.localhost:4321' })).toMatchObject({ status: 403 })
    expect(await asked('/src/x.ts', { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'no-cors' })).toMatchObject({ status: 403 })
    expect(await asked('/src/x.ts', { 'sec-fetch-site': 'same-site', 'sec-fetch-mode': 'no-cors' })).toMatchObject({ status: 403 })
    expect(await asked('/', { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate' })).toBeUndefined()
    expect(await asked('/', { origin: 'http://thread-a.localhost:4321', 'sec-fetch-site': 'same-origin' })).toBeUndefined()
  })
})
