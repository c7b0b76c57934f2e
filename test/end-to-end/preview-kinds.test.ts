import { join } from 'node:path'
import { expect, it } from 'vitest'
import { clientOf } from '../support/client.ts'
import { ask, previewUrl, showing, shown } from '../support/previews.ts'
import { makeRepository } from '../support/repository.ts'
import { startService, temporaryFolder } from '../support/service.ts'

const page = (text: string) => `<html><head><title>A site</title></head><body><h1>${text}</h1></body></html>\n`
const manifest = (more: object) => JSON.stringify({ name: 'a-site', private: true, type: 'module', ...more })

async function served(files: Readonly<Record<string, string>>, env: Readonly<Record<string, string>> = {}) {
  const folder = await temporaryFolder()
  const origin = await makeRepository(join(folder, 'origin'), { '.gitignore': 'node_modules\ndist\n.astro\n', ...files })
  const service = await startService({ env: { ...showing, REPO_URL: origin, ...env } })
  return { service, client: clientOf(service), url: previewUrl(service, 'thread-a') }
}

it('an older Astro is shown, and what is broken on its pages is told', async () => {
  const { service, client, url } = await served({
    'package.json': manifest({ dependencies: { astro: '5.18.2' } }),
    'src/pages/index.astro': page('Old bread'),
  })
  await using _ = service
  expect(await shown(client, 'a')).toMatchObject({ success: true, previewUrl: url })
  expect(await (await ask(url)).text()).toContain('Old bread')
  const broken = await client.run('a', 'replace <h1> with <h1 {{{> in src/pages/index.astro')
  expect(broken.pageErrors).toEqual([expect.stringMatching(/\(page \/\)$/)])
  expect(await shown(client, 'a')).toMatchObject({ success: false, code: 'preview_failed' })
  expect((await client.run('a', 'replace <h1 {{{> with <h1> in src/pages/index.astro')).pageErrors).toBeUndefined()
  expect(await shown(client, 'a')).toMatchObject({ success: true })
})

it('a plain Vite project is shown by its dev script, with the socket that its pages ask for', async () => {
  const { service, client, url } = await served({
    'package.json': manifest({ scripts: { dev: 'vite' }, devDependencies: { vite: '8.3.8' } }),
    'index.html': page('Vite bread').replace('</body>', '<script type="module" src="/main.js"></script></body>'),
    'main.js': 'export const bread = 1\n',
  })
  await using _ = service
  expect(await shown(client, 'a')).toMatchObject({ success: true })
  const text = await (await ask(url)).text()
  expect(text).toContain('Vite bread')
  expect(text).toContain('/@vite/client')
  await client.run('a', 'replace Vite bread with New bread in index.html')
  expect(await (await ask(url)).text()).toContain('New bread')
})

it('with ASTRO_DEV_MODE=false the last good build is shown, also after one that fails', async () => {
  const { service, client, url } = await served(
    {
      'package.json': manifest({ scripts: { build: 'node build.js' } }),
      'build.js':
        "import { mkdirSync, writeFileSync } from 'node:fs'\nmkdirSync('dist', { recursive: true })\nwriteFileSync('dist/index.html', '<h1>Built bread</h1>')\n",
    },
    { ASTRO_DEV_MODE: 'false' },
  )
  await using _ = service
  expect(await shown(client, 'a')).toMatchObject({ success: false, code: 'rejected', error: expect.stringContaining('there is none') })
  expect(await client.run('a', '', { type: 'build' })).toMatchObject({ success: true })
  expect(await shown(client, 'a')).toMatchObject({ success: true, previewUrl: url })
  expect(await (await ask(url)).text()).toContain('Built bread')
  await client.run('a', "write build.js: import { rmSync } from 'node:fs'; rmSync('dist', { recursive: true }); process.exit(1)")
  expect(await client.run('a', '', { type: 'build' })).toMatchObject({ success: false, code: 'build_failed' })
  expect(await (await ask(url)).text()).toContain('Built bread')
  expect((await ask(`${url}nothing-here`)).status).toBe(404)
})

it('a repository that has nothing to show says so, and its edits have no preview', async () => {
  await using service = await startService({ env: { ...showing } })
  const client = clientOf(service)
  expect((await client.run('a', 'write a.txt: a')).previewUrl).toBeUndefined()
  expect(await shown(client, 'a')).toMatchObject({ success: false, code: 'rejected', error: expect.stringContaining('package.json') })
  const { body } = await client.call('GET', client.thread('a', 'preview'))
  expect(body).toMatchObject({ success: true, preview: { state: 'stopped' } })
  expect(await client.call('POST', client.thread('a', 'preview/start'), {})).toMatchObject({ status: 409 })
})

it('with ASTRO_PORT=off there are none', async () => {
  await using service = await startService()
  const client = clientOf(service)
  expect(await shown(client, 'a')).toMatchObject({ success: false, code: 'rejected', error: expect.stringContaining('ASTRO_PORT') })
  expect(await client.call('GET', client.thread('a', 'preview'))).toMatchObject({ status: 409 })
})
