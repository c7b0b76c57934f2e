import { execFile } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { branchline } from '../support/command-line.ts'
import { startModel, type Model } from '../support/model.ts'
import { startService, type Service } from '../support/service.ts'

const exec = promisify(execFile)
const root = fileURLToPath(new URL('../..', import.meta.url))
let [model, service]: [Model, Service] = [undefined!, undefined!]

beforeAll(async () => {
  model = await startModel()
  service = await startService({ env: { ANTHROPIC_BASE_URL: model.url, ANTHROPIC_API_KEY: 'CANARY-model-key-7f3a' } })
})
afterAll(async () => {
  await service[Symbol.asyncDispose]()
  await model[Symbol.asyncDispose]()
})

it('send shows the work and ends with the result', async () => {
  const said = await branchline(['send', 'write', 'cli.txt:', 'hello', '--url', service.url, '--thread', 'cli'])
  expect(said.err).toBe('')
  expect(said.code).toBe(0)
  expect(said.out).toContain('· Write')
  expect(said.out).toMatch(/✓ Wrote cli\.txt\n {2}1 file: cli\.txt\n {2}branch thread-cli/)
})

it('send --json prints the bare result, and the same id twice gives the same', async () => {
  const args = ['send', 'write b.txt: b', '--url', service.url, '--id', 'from-cli', '--json']
  const [first, second] = [await branchline(args), await branchline(args)]
  expect(JSON.parse(first.out)).toMatchObject({ success: true, commandId: 'from-cli' })
  expect(second.out).toBe(first.out)
})

it('threads lists them', async () => {
  expect((await branchline(['threads', '--url', service.url])).out).toMatch(/^hello .*thread-hello$/m)
})

it('what is wrong is said in a line, with exit code 1', async () => {
  expect(await branchline(['send', 'x', '--thread', '../x', '--url', service.url])).toMatchObject({ code: 1, err: expect.stringContaining('threadId') })
  expect(await branchline(['send', 'x', '--url', 'http://127.0.0.1:9'])).toMatchObject({ code: 1, err: expect.stringContaining('cannot be reached') })
  expect(await branchline(['dance'])).toMatchObject({ code: 1, err: expect.stringContaining('There is no command "dance"') })
  expect(await branchline(['send', '--color'])).toMatchObject({ code: 1, err: expect.stringContaining("Unknown option '--color'") })
  expect(await branchline(['serve'], { PORT: 'x', CONCURRENCY: '0' })).toMatchObject({
    code: 1,
    err: expect.stringMatching(/2 problems[\s\S]*PORT[\s\S]*CONCURRENCY/),
  })
})

it('serve that cannot start says why and ends', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'branchline-serve-'))
  const { port } = new URL(service.url)
  expect(await branchline(['serve'], { PORT: port, WORKSPACE_PATH: folder })).toMatchObject({ code: 1, err: expect.stringContaining(`${port} is in use`) })
  expect(await branchline(['serve'], { PORT: '0', WORKSPACE_PATH: '/etc/passwd' })).toMatchObject({ code: 1, err: expect.stringContaining('WORKSPACE_PATH') })
  expect(await branchline(['serve'], { PORT: '0', WORKSPACE_PATH: folder, REPO_URL: '/no/such/repository' })).toMatchObject({
    code: 1,
    err: expect.stringContaining('REPO_URL: /no/such/repository does not exist'),
  })
  await rm(folder, { recursive: true })
})

describe('doctor', () => {
  it('finds nothing in the way on this machine', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'branchline-doctor-'))
    const said = await branchline(['doctor'], { WORKSPACE_PATH: folder, PORT: '0' })
    await rm(folder, { recursive: true })
    expect(said.out).toMatch(/✓ git[\s\S]*✓ agent +2\.[\s\S]*· model[\s\S]*✓ workspace[\s\S]*✓ port/)
    expect(said.code).toBe(0)
  })
})

it('the packed program runs where nothing else is, and its client can be imported', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'branchline-pack-'))
  const npm = process.env['npm_execpath'] ?? join(dirname(process.execPath), '..', 'lib/node_modules/npm/bin/npm-cli.js')
  const env = { ...process.env, PATH: `${dirname(process.execPath)}:${process.env['PATH'] ?? ''}`, npm_config_audit: 'false', npm_config_fund: 'false' }
  const run = async (args: readonly string[], cwd: string) => (await exec(process.execPath, [npm, ...args], { cwd, env })).stdout
  try {
    await run(['pack', '--pack-destination', folder], root)
    const [tarball] = (await readdir(folder)).filter((name) => name.endsWith('.tgz'))
    await writeFile(join(folder, 'package.json'), '{"private":true,"type":"module"}')
    await run(['install', '--ignore-scripts', '--prefer-offline', `./${tarball}`], folder)
    expect(await run(['exec', '--', 'branchline', 'doctor'], folder)).toContain('✓ agent')
    await writeFile(
      join(folder, 'use.js'),
      `import { Client } from 'branchline/client'\nconst client = new Client({ url: '${service.url}' })\nconsole.log((await client.send({ clientId: 'me', userId: 'me', threadId: 'packed', instruction: 'write p.txt: p' })).success)\n`,
    )
    expect((await exec(process.execPath, ['use.js'], { cwd: folder })).stdout).toBe('true\n')
    expect(Object.keys(JSON.parse(await readFile(join(folder, 'node_modules/branchline/dist/example.json'), 'utf8')))).toEqual(
      expect.arrayContaining(['.gitignore', 'package-lock.json', 'src/pages/index.astro']),
    )
  } finally {
    await rm(folder, { recursive: true, force: true })
    await rm(join(root, 'dist'), { recursive: true, force: true })
  }
}, 240_000)
