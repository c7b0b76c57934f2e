import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { findBrowser } from '../support/browser.ts'
import { progressOf, withGitHub } from '../support/issues.ts'
import { showing } from '../support/previews.ts'

const browser = findBrowser()
const API_TOKEN = 'CANARY-api-token-71c2'
const SERVER = `
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
createServer((request, response) => response.writeHead(200, { 'content-type': 'text/html' }).end(readFileSync('page.html'))).listen(Number(process.env.PORT), '127.0.0.1')
`
const FILES = {
  'package.json': JSON.stringify({ name: 'site', private: true, type: 'module', scripts: { dev: 'node server.js' } }),
  'server.js': SERVER,
  'page.html': '<title>Site</title><h1>Cold bread</h1>\n',
}

it.skipIf(browser === undefined)(
  `the pull request of an issue shows how the pages look, to whoever has its links${browser === undefined ? ' (skipped: there is no Chromium)' : ''}`,
  async () => {
    const env = { ...showing, PICTURES: 'true', PUBLIC_URL: 'https://branchline.example', API_TOKEN }
    await using on = await withGitHub({ repositories: [{ owner: 'acme', name: 'site', files: FILES }], service: { env }, token: API_TOKEN })
    const gate = join(on.service.workspace, '..', 'gate')
    const working = `run while [ ! -e ${gate} ]; do sleep 0.1; done`
    const { number } = await on.github.openIssue({ title: 'Warmer', body: `replace Cold with Warm in page.html then ${working}` })
    const standing = async (): Promise<string> =>
      (await on.client.call('GET', `${on.client.thread(`issue-${number}`, 'preview')}?projectId=site`)).body.preview?.state
    await expect.poll(standing).toBe('ready')
    await writeFile(gate, '')
    await expect.poll(() => progressOf(on.github, number)).toContain('**Done:**')
    const [pull] = await on.github.pulls()
    expect(pull?.body).toContain('Opened in the preview, without an error: `/`')
    const links = [...(pull?.body ?? '').matchAll(/<img src="https:\/\/branchline\.example(\/pictures\/[^"]+)"/g)].map(([, path = '']) => path)
    expect(links.length).toBeGreaterThan(0)
    for (const path of links) {
      const answer = await fetch(`${on.service.url}${path}`)
      expect([answer.status, answer.headers.get('content-type')]).toEqual([200, 'image/png'])
      const [, , folder = '', signature = '', name = ''] = path.split('/')
      for (const wrong of [
        `/pictures/${folder}/${'A'.repeat(43)}/${name}`,
        `/pictures/${'0'.repeat(32)}/${signature}/${name}`,
        `/pictures/${folder}/${signature}/other.png`,
      ])
        expect((await fetch(`${on.service.url}${wrong}`)).status).toBe(404)
    }
  },
)
