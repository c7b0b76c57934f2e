import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { WRANGLER } from '../wrangler.ts'

const folder = join(import.meta.dirname, '..')
const env = { PATH: process.env['PATH'] ?? '', npm_execpath: process.env['npm_execpath'] ?? '', HOME: tmpdir(), WRANGLER_SEND_METRICS: 'false' }

const run = (program: string, ...args: string[]): Promise<{ readonly code: number; readonly out: string }> =>
  new Promise((resolve) => {
    execFile(process.execPath, [program, ...args], { cwd: folder, env }, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code), out: `${stdout}${stderr}` })
    })
  })

describe('deploying', () => {
  it.each(['staging', 'production'])('%s is bundled without an account and without Docker, far below the limit of 10 MB', async (name) => {
    const out = await mkdtemp(join(tmpdir(), 'branchline-bundle-'))
    const { code, out: said } = await run(WRANGLER, 'deploy', '--dry-run', '--containers-rollout=none', '--env', name, '--outdir', out)
    expect([code, said]).toEqual([0, expect.stringContaining(`ENVIRONMENT ("${name}")`)])
    const [bundle] = (await readdir(out)).filter((file) => file.endsWith('.js'))
    const content = await readFile(join(out, bundle ?? ''))
    expect(gzipSync(content).length).toBeLessThan(200_000)
    await rm(out, { recursive: true })
  })

  it.each([
    [[], '--env: must be staging or production'],
    [['--env', 'test'], '--env: must be staging or production'],
    [['--force'], '--force'],
    [['--env', 'production'], 'Nobody is signed in to Cloudflare'],
  ])('%j is refused in words, and nothing is done', async (args, words) => {
    const { code, out } = await run(join(folder, 'deploy.ts'), ...args)
    expect([code, out]).toEqual([1, expect.stringContaining(words)])
  })
})

it('as many containers are handed out as the platform lets run', () => {
  const text = readFileSync(join(folder, 'wrangler.jsonc'), 'utf8')
    .replaceAll(/^\s*\/\/.*$/gm, '')
    .replaceAll(/,(\s*[}\]])/g, '$1')
  const { env: environments } = JSON.parse(text) as { env: Record<string, { vars: Record<string, string>; containers: { max_instances: number }[] }> }
  expect(Object.keys(environments)).toEqual(['staging', 'production'])
  for (const { vars, containers } of Object.values(environments)) expect(Number(vars['MAX_CONTAINERS'])).toBe(containers[0]?.max_instances)
})
