import { once } from 'node:events'
import { createServer } from 'node:http'
import { execFileSync, spawnSync } from 'node:child_process'
import { chmod, chown, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { clientOf } from '../support/client.ts'
import { startContainer, type Container, type ContainerOptions } from '../support/container.ts'
import { NO_IMAGE, testedImage, type Image } from '../support/image.ts'
import { startModel, type Model } from '../support/model.ts'
import { temporaryFolder } from '../support/service.ts'

const missing = process.env[NO_IMAGE]
const USER = 10001
const FIRST_USER_ID = Number(process.env['FIRST_TEST_USER_ID'])
const image: Image = testedImage() ?? { root: '', env: [], user: '', command: [] }
const ROOT = fileURLToPath(new URL('../..', import.meta.url))

/** A container that serves one user by HTTP, on a volume of its own. */
interface Serving {
  readonly url: string
  readonly workspace: string
  readonly container: Container
  readonly output: () => string
}

const cleanUp: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const each of cleanUp.splice(0).toReversed()) await each()
})

async function volume(): Promise<string> {
  const folder = await temporaryFolder()
  await chown(folder, USER, USER)
  cleanUp.push(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }))
  return folder
}

function run(options: ContainerOptions): { readonly container: Container; readonly output: () => string; readonly ended: Promise<number | null> } {
  const container = startContainer(image, options)
  cleanUp.push(() => container.remove())
  let output = ''
  for (const stream of [container.child.stdout, container.child.stderr]) stream?.setEncoding('utf8').on('data', (chunk: string) => (output += chunk))
  return { container, output: () => output, ended: once(container.child, 'close').then(([code]) => (typeof code === 'number' ? code : null)) }
}

const SERVING = { HOST: '127.0.0.1', PORT: '0', ASTRO_PORT: 'off', MIN_RUN_MS: '0', SPARE_AGENT: 'false', FIRST_USER_ID: String(FIRST_USER_ID) }

async function serve(workspace: string, { env = {}, ...options }: ContainerOptions = {}): Promise<Serving> {
  const { container, output, ended } = run({ env: { ...SERVING, SIMULATION: 'true', ...env }, volumes: [[workspace, '/workspace']], ...options })
  void ended.catch(() => {})
  const ready = /is ready at (\S+)\n/
  await expect.poll(output, { timeout: 60_000 }).toMatch(ready)
  return { url: ready.exec(output())?.[1] ?? '', workspace, container, output }
}

describe(`the image${missing === undefined ? '' : ` (skipped: ${missing})`}`, () => {
  let model: Model = undefined!
  beforeAll(async () => {
    model = await startModel()
  })
  afterAll(() => model[Symbol.asyncDispose]())

  it.skipIf(missing !== undefined)(
    'is of the very Node that the project is tested with, starts as a user that is not root, and carries no tool that builds',
    async () => {
      const dockerfile = await readFile(join(ROOT, 'deploy/image/Dockerfile'), 'utf8')
      const wanted = (await readFile(join(ROOT, '.node-version'), 'utf8')).trim()
      expect(dockerfile).toContain(`ARG NODE_IMAGE=docker.io/library/node:${wanted}-bookworm-slim\n`)
      expect(image.user).toBe(`${USER}:${USER}`)
      const { container, ended, output } = run({
        command: [
          'sh',
          '-c',
          'node --version; git --version; python3 --version; curl --version | head -1; for each in gcc g++ make cc ld; do command -v $each; done; true',
        ],
      })
      expect(await ended).toBe(0)
      expect(output()).toMatch(new RegExp(`^v${wanted}\ngit version .*\nPython 3.*\ncurl .*\n$`))
      await container.remove()
      const switching = execFileSync('find', [image.root, '-xdev', '-type', 'f', '-perm', '/6000'], { encoding: 'utf8' })
      expect(switching).toBe('')
    },
  )

  it.skipIf(missing !== undefined)('says what it is made of, with licences, and holds nothing of the checkout but the program', async () => {
    const { components } = JSON.parse(await readFile(join(image.root, 'usr/share/branchline/bom.cdx.json'), 'utf8'))
    const versionOf = (name: string): string | undefined => components.find((each: { name: string }) => each.name === name)?.version
    expect(versionOf('node')).toBe((await readFile(join(ROOT, '.node-version'), 'utf8')).trim())
    expect(versionOf('git')).toMatch(/^1:2\./)
    expect(versionOf('hono')).toBe(JSON.parse(await readFile(join(ROOT, 'node_modules/hono/package.json'), 'utf8')).version)
    const without = components.filter((each: { licenses?: unknown[] }) => (each.licenses ?? []).length === 0).map(({ name }: { name: string }) => name)
    expect(without.length).toBeLessThan(components.length / 4)
    expect((await readdir(join(image.root, 'app'))).toSorted()).toEqual(['LICENSE', 'examples', 'node_modules', 'package.json', 'src'])
    const tests = execFileSync('find', [join(image.root, 'app/src'), '-name', '*.test.ts'], { encoding: 'utf8' })
    expect(tests).toBe('')
  })

  it.skipIf(missing !== undefined)(
    'on a root that cannot be written an edit becomes a commit; service, agent and preview are three users without any right to become another',
    async () => {
      const service = await serve(await volume(), { env: { ASTRO_PORT: '0', HMR_PORT: 'off', CANARY_ENV: 'CANARY-environment' } })
      const client = clientOf({ ...service })
      const look =
        "id -u; grep -E 'CapEff|CapAmb|NoNewPrivs' /proc/self/status; touch /app/x /usr/x; /usr/local/libexec/branchline/raise true; cat /workspace/.branchline/journal.sqlite; cat /proc/*/environ | tr '\\0' '\\n' | grep CANARY-env; true"
      const result = await client.run('users', `run ${look}`)
      expect(result.summary).toContain(`${FIRST_USER_ID}\n`)
      expect(result.summary).toMatch(/CapEff:\s+0{16}\nNoNewPrivs:\s+1\nCapAmb:\s+0{16}|CapEff:\s+0{16}\nCapAmb:\s+0{16}\nNoNewPrivs:\s+1/)
      expect(result.summary).toMatch(/cannot touch '\/app\/x': (Read-only file system|Permission denied)/)
      expect(result.summary).toMatch(/raise: Permission denied/)
      expect(result.summary).toMatch(/journal\.sqlite: Permission denied/)
      expect(result.summary).not.toContain('CANARY-environment')
      expect(await client.run('users', 'write a.txt: A')).toMatchObject({ success: true, filesChanged: ['a.txt'] })
      expect(await client.run('users', 'hello', { type: 'preview' })).toMatchObject({ success: true })
      const { out } = await service.container.exec(['sh', '-c', 'for each in /proc/[0-9]*/status; do grep ^Uid $each; done'])
      const users = new Set(out.split('\n').map((line) => line.split('\t')[1]))
      for (const user of [USER, FIRST_USER_ID, FIRST_USER_ID + 1]) expect(users).toContain(String(user))
      expect(users).not.toContain('0')
      // What npm's Node keeps between starts is not where an agent could have put it before.
      expect((await service.container.exec(['ls', '/tmp'])).out).not.toContain('node-compile-cache')
      expect(service.output()).toContain('agents     run as users of their own')
      expect((await service.container.exec(['branchline', 'health'])).out).toBe('healthy\n')
    },
  )

  it.skipIf(missing !== undefined)('what an agent keeps to itself is saved too', async () => {
    const service = await serve(await volume())
    const client = clientOf(service)
    const result = await client.run('private', 'run umask 077; mkdir deep; echo mine > deep/private.txt; chmod 700 deep')
    expect(result).toMatchObject({ success: true, filesChanged: ['deep/private.txt'] })
  })

  it.skipIf(missing !== undefined)(
    'killed in the middle of a run, it finishes it on the same volume; told to stop, it ends with 0 and leaves nothing half done',
    async () => {
      const workspace = await volume()
      const real = { SIMULATION: 'false', ANTHROPIC_BASE_URL: model.url, ANTHROPIC_API_KEY: 'CANARY-model-key-7f3a' }
      const first = await serve(workspace, { env: real })
      const held = model.hold('held here', 1)
      const command = await clientOf(first).post('killed', 'write before.txt: held here then write after.txt: done')
      await held.reached
      await first.container.signal('SIGKILL')
      await once(first.container.child, 'close')
      held.release()
      const second = await serve(workspace, { env: real })
      expect(await clientOf(second).result(command)).toMatchObject({ success: true, attempt: 2 })
      const ended = once(second.container.child, 'close')
      await second.container.signal('SIGTERM')
      expect((await ended)[0]).toBe(0)
      expect(second.output()).toContain('Stopping (SIGTERM)')
      expect(`${first.output()}${second.output()}`).not.toContain('CANARY-model-key')
      const hunted = spawnSync('grep', ['-rlaF', 'CANARY-model-key-7f3a', workspace, image.root, '--exclude-dir=proc'], { encoding: 'utf8' }).stdout
      expect(hunted).toBe('')
    },
  )

  it.skipIf(missing !== undefined)('reaps what has lost its parent', async () => {
    const service = await serve(await volume())
    await service.container.exec(['sh', '-c', 'for n in 1 2 3 4 5; do (sleep 0.1 &) ; done'])
    await expect.poll(async () => (await service.container.exec(['sh', '-c', 'cat /proc/[0-9]*/status | grep -c "^State:.Z"; true'])).out.trim()).toBe('0')
  })

  it.skipIf(missing !== undefined)('refuses to start without what it needs, and lists all of it', async () => {
    const git = createServer((_, answer) => answer.writeHead(401, { 'www-authenticate': 'Basic' }).end())
    git.listen(0, '127.0.0.1')
    await once(git, 'listening')
    cleanUp.push(async () => void git.close())
    const address = git.address()
    const api = `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`
    const { ended, output } = run({ env: { GITHUB_API_URL: api, REPO_URL: `${api}/acme/site` } }) // no volume: /workspace is of the root
    expect(await ended).toBe(1)
    expect(output()).toContain('The configuration has 4 problems:')
    for (const problem of [
      'HOST: 0.0.0.0 can be reached by others',
      'SIMULATION: is false, so ANTHROPIC_API_KEY',
      'WORKSPACE_PATH: /workspace cannot be written to as user 10001',
      'asks for a credential (or does not exist), so GITHUB_TOKEN must be set',
    ])
      expect(output()).toContain(problem)
  })

  it.skipIf(missing !== undefined)('where new privileges are forbidden it says what that means, and with ISOLATION=require refuses', async () => {
    const service = await serve(await volume(), { noNewPrivileges: true })
    expect(service.output()).toContain('agents     run as your own user (the service is not root, and has not the capabilities that would do)')
    const { ended, output } = run({
      env: { ...SERVING, SIMULATION: 'true', ISOLATION: 'require' },
      volumes: [[await volume(), '/workspace']],
      noNewPrivileges: true,
    })
    expect(await ended).toBe(1)
    expect(output()).toContain('ISOLATION=require, but users cannot be switched')
  })

  it.skipIf(missing !== undefined)('where agents would have its capabilities it does not start, and says what to do', async () => {
    const closed = await volume()
    await chmod(closed, 0o700)
    for (const [env, why] of [
      [{}, `user ${FIRST_USER_ID} cannot reach /workspace`],
      [{ FIRST_USER_ID: String(USER - 2) }, `user ${USER} is the service's own`],
    ] as const) {
      const { ended, output } = run({ env: { ...SERVING, SIMULATION: 'true', ...env }, volumes: [[closed, '/workspace']] })
      expect(await ended).toBe(1)
      expect(output()).toContain(why)
      expect(output()).toContain('agents must not have the capabilities of the service')
    }
  })

  it.skipIf(missing !== undefined)('as root with no capability but those it needs it works too, as it has to on a network file system', async () => {
    const capabilities = ['CHOWN', 'DAC_OVERRIDE', 'FOWNER', 'FSETID', 'KILL', 'SETGID', 'SETUID']
    const service = await serve(await volume(), { user: '0:0', capabilities, env: { ISOLATION: 'require' } })
    const result = await clientOf(service).run('rooted', 'run id -u > id.txt; grep NoNewPrivs /proc/self/status')
    expect(result).toMatchObject({ success: true, filesChanged: ['id.txt'] })
    expect(result.summary).toMatch(/NoNewPrivs:\s+1/)
    expect(await clientOf(service).run('rooted', 'run cat id.txt')).toMatchObject({ summary: expect.stringContaining(String(FIRST_USER_ID)) })
  })

  it.skipIf(missing !== undefined)('a secret given as a file is found nowhere but there', async () => {
    const workspace = await volume()
    const secrets = await volume()
    await mkdir(join(secrets, 'run'))
    await writeFile(join(secrets, 'key'), 'CANARY-key-in-a-file\n')
    await chown(join(secrets, 'key'), USER, USER)
    const env = { SIMULATION: 'false', ANTHROPIC_BASE_URL: model.url, ANTHROPIC_API_KEY_FILE: '/secrets/key' }
    const { container, output } = run({
      env: { ...SERVING, ...env },
      volumes: [
        [workspace, '/workspace'],
        [secrets, '/secrets'],
      ],
    })
    await expect.poll(output, { timeout: 60_000 }).toMatch(/is ready at/)
    const url = /is ready at (\S+)\n/.exec(output())?.[1] ?? ''
    const said = await clientOf({ url, workspace, output }).run(
      'hunt',
      'run cat /secrets/key; grep -ra CANARY-key /proc/*/environ /proc/*/cmdline /tmp 2>/dev/null; true',
    )
    expect(JSON.stringify(said)).not.toContain('CANARY-key-in-a-file')
    const { out } = await container.exec(
      // The brackets keep the search from finding its own command line.
      ['sh', '-c', "cat /proc/*/cmdline /proc/*/environ 2>/dev/null | tr '\\0' '\\n' | grep -c '[C]ANARY-key-in-a-file'; true"],
      '0:0',
    )
    expect(out.trim()).toBe('0')
    expect(output()).not.toContain('CANARY-key')
  })
})
