import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { MEASURES } from '../../src/observe/measure.ts'
import { VARIABLES } from '../../src/variables.ts'
import { startDocker, type Docker } from '../support/docker.ts'
import { argumentsOf, type ComposeService } from '../support/docker-run.ts'
import { MARK } from '../support/global-setup.ts'
import { NO_IMAGE, testedImage } from '../support/image.ts'
import { startModel, type Model } from '../support/model.ts'
import { startQueueServer, type QueueServer } from '../support/queue-server.ts'
import { talkBy } from '../support/queue-talk.ts'
import { AWS_ENV } from '../support/server-process.ts'
import { startTableServer, tableServerSupported } from '../support/table-server.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const missing = process.env[NO_IMAGE]
const page = await readFile(join(ROOT, 'docs/operating.md'), 'utf8')
const { version } = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8'))
const IMAGE = `localhost/branchline:${version}`
const KEY = 'CANARY-key-of-the-model-51c9'
const CANARY = 'Hello, I am a canary'

/** What becomes of a block of the page: run word for word, run with the compose file, or for an account of AWS or a registry. */
type Kind = 'docker' | 'compose' | 'elsewhere'

interface Block {
  readonly heading: string
  readonly text: string
  readonly kind: Kind | undefined
}

function kindOf(text: string): Kind | undefined {
  if (/docker compose|send --queue/.test(text)) return 'compose'
  if (/\bdocker |secrets\/|execute /.test(text)) return 'docker'
  return /^ *(aws|\(cd deploy\/aws|npm run image:|AWS_REGION=)/.test(text) ? 'elsewhere' : undefined
}

const blocks: readonly Block[] = page.split(/^(?=#{2,4} )/m).flatMap((section) => {
  const heading = /^#+ (.*)$/m.exec(section)?.[1] ?? ''
  return [...section.matchAll(/^( *)```sh\n(.*?)^ *```$/gms)].map(([, , text = '']) => ({ heading, text, kind: kindOf(text) }))
})

describe('docs/operating.md', () => {
  it('has no block of commands but those that are run here, and those that need somebody else', () => {
    expect(blocks.filter(({ kind }) => kind === undefined).map(({ text }) => text)).toEqual([])
    expect(blocks.filter(({ kind }) => kind === 'docker').length).toBeGreaterThan(10)
    for (const { text } of blocks) for (const [named] of text.matchAll(/localhost\/branchline:[\w.-]+/g)) expect(named).toBe(IMAGE)
  })

  it('lists exactly what is measured', () => {
    const table = page.slice(page.indexOf('### What is measured'), page.indexOf('### Traces'))
    const listed = [...table.matchAll(/^\| `(\w+)` \|(.*?)\|/gm)]
    expect(listed.map(([, name]) => name)).toEqual(Object.keys(MEASURES))
    for (const [, name = '', labels = ''] of listed) {
      const known: readonly string[] = Object.entries(MEASURES).find(([each]) => each === name)?.[1].labels ?? []
      expect([...labels.matchAll(/`(\w+)`/g)].map(([, label]) => label)).toEqual(known)
    }
  })

  it('hunts for the word that it has written', () => {
    for (const text of [`write canary.txt: ${CANARY}`, `grep -rlaF '${CANARY}'`]) expect(page).toContain(text)
  })

  it('takes every name that the reader puts in from what a deployment writes down', async () => {
    const snapshots = join(ROOT, 'deploy/aws/snapshots')
    const templates = (await readdir(snapshots)).filter((file) => file.endsWith('.snap')).map((file) => readFile(join(snapshots, file), 'utf8'))
    const outputs = new Set((await Promise.all(templates)).flatMap(outputsOf))
    const asked = [...page.matchAll(/(\w+)-here\b/g)].map(([, name = '']) => name)
    expect(asked.length).toBeGreaterThan(5)
    expect(asked.filter((name) => !outputs.has(name))).toEqual([])
    for (const { text } of blocks.filter(({ kind }) => kind === 'elsewhere')) expect(text.replaceAll(/\w+-here\b/g, '')).not.toContain('-here')
  })

  it('says of every alarm what to do, and of none that there is not', async () => {
    const sources = await Promise.all(['alarms.ts', 'user.ts'].map((file) => readFile(join(ROOT, 'deploy/aws', file), 'utf8')))
    const made = [...sources.join('\n').matchAll(/(?:alarmAt\(\w+|new Alarm\(this), '(\w+)'/g)].map(([, name]) => name)
    const table = page.slice(page.indexOf('### Alarms on AWS'), page.indexOf('## Troubleshooting'))
    expect(new Set([...table.matchAll(/^\| `(\w+)` \|/gm)].map(([, name]) => name))).toEqual(new Set(made))
  })

  it('names no variable that the service does not have', () => {
    const others =
      /^(AWS_|ANTHROPIC_API_KEY_FILE$|API_TOKEN_FILE$|OTEL_|FAUXQS_|REGISTRY_URI$|IMAGE_PLATFORM$|DAC_OVERRIDE$|NODE_IMAGE$|DEBIAN_SNAPSHOT$|COMPILER$)/
    const named = [/`([A-Z][A-Z0-9]*_[A-Z0-9_]+)(?:=[^`]*)?`/g, /-e ([A-Z_]+)/g].flatMap((pattern) => [...page.matchAll(pattern)].map(([, name = '']) => name))
    const known = (name: string): boolean => others.test(name) || name in VARIABLES || name.replace(/_FILE$/, '') in VARIABLES
    expect(named.filter((name) => !known(name))).toEqual([])
  })
})

/** The outputs of a stack, by its template. */
function outputsOf(template: string): readonly string[] {
  const { Outputs = {} }: { readonly Outputs?: Readonly<Record<string, unknown>> } = JSON.parse(template)
  return Object.keys(Outputs)
}

/** What a block of commands has to print. */
function shownBy(text: string): RegExp {
  if (/execute/.test(text)) return /"success":true.*"commit":"[0-9a-f]{40}"/s
  if (/inspect/.test(text)) return /^0$/m
  return /until .* health/.test(text) ? /^healthy/m : /^/
}

async function freePort(): Promise<string> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  return String(address === null || typeof address === 'string' ? 0 : address.port)
}

/** A shell of an operator: what it exports and writes is there for the next block. */
async function shell(folder: string, env: Readonly<Record<string, string>>) {
  const kept = join(folder, '.exported')
  return async (text: string, cwd = folder): Promise<{ readonly code: number | null; readonly out: string }> => {
    const script = `[ ! -e '${kept}' ] || . '${kept}'\n${text}\nexport -p > '${kept}'\n`
    const child = spawn('/bin/bash', ['--norc', '-eu', '-o', 'pipefail', '-c', script], { cwd, env: { ...env }, stdio: ['pipe', 'pipe', 'pipe'] })
    child.stdin.on('error', () => {}).end(`${KEY}\n`)
    let out = ''
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (chunk: string) => (out += chunk))
    const [code] = await once(child, 'close')
    return { code, out }
  }
}

describe(`the recipes of docs/operating.md${missing === undefined ? '' : ` (skipped: ${missing})`}`, () => {
  const parts = new AsyncDisposableStack()
  let model: Model = undefined!
  let queues: QueueServer = undefined!
  let docker: Docker = undefined!
  let folder = ''
  const ports = { api: '', previews: '' }
  let talk: ReturnType<typeof talkBy> = undefined!

  beforeAll(async () => {
    if (missing !== undefined) return
    folder = await mkdtemp(join(tmpdir(), 'branchline-recipes-'))
    parts.defer(() => rm(folder, { recursive: true, force: true }))
    model = parts.use(await startModel())
    queues = parts.use(await startQueueServer())
    const input = await queues.createPair('branchline', { fifo: true, dlq: true })
    talk = talkBy(queues.client, input)
    docker = parts.use(await startDocker({ name: IMAGE, image: testedImage() ?? { root: '', env: [], user: '', command: [] }, env: ours() }))
    ;[ports.api, ports.previews] = [await freePort(), await freePort()]
  })
  afterAll(() => parts.disposeAsync())

  const ours = () => ({
    [MARK]: process.env[MARK] ?? '',
    FIRST_USER_ID: process.env['FIRST_TEST_USER_ID'] ?? '',
    ANTHROPIC_BASE_URL: model.url,
    AWS_ENDPOINT_URL_SQS: queues.url,
    QUEUE_WAIT_SECONDS: '1',
    MIN_RUN_MS: '0',
    SPARE_AGENT: 'false',
  })
  const here = (text: string): string =>
    text
      .replaceAll('127.0.0.1:8080', `127.0.0.1:${ports.api}`)
      .replaceAll('127.0.0.1:4321', `127.0.0.1:${ports.previews}`)
      .replaceAll('https://sqs.us-east-1.amazonaws.com/123456789012', `${queues.url}/000000000000`)

  it.skipIf(missing !== undefined)(
    'work word for word, in their order: a message becomes a commit by HTTP and by a queue, what is stopped ends with 0, a backup comes back, a user is gone',
    { timeout: 600_000 },
    async () => {
      const run = await shell(folder, { ...AWS_ENV, PATH: docker.path, HOME: folder })
      const said = new Map<string, string>()
      for (const { heading, text } of blocks.filter(({ kind }) => kind === 'docker')) {
        if (/delete-user/.test(text)) await canary(run)
        const hunts = text.includes(CANARY)
        const { code, out } = await run(here(text))
        expect(code, `${heading}\n${text}\n${out}\n${docker.logs('branchline')}${docker.logs('branchline-anna')}`).toBe(hunts ? 1 : 0)
        said.set(heading, `${said.get(heading) ?? ''}${out}`)
        expect(out).toMatch(shownBy(text))
        if (heading === 'Messages from queues') await asks()
      }
      expect(said.get('The image')).toBe('')
      expect(said.get('HTTP, in simulation')).toMatch(/^healthy$/m)

      expect(said.get('HTTP, with a model, keys in files')).not.toContain('"simulated":true')
      expect(said.get('Messages from queues')).toMatch(/^healthy; 1 queue, 1 polled/m)
      expect(model.requests.length).toBeGreaterThan(0)
      expect([...said.values()].join('')).not.toContain(KEY)
      expect(JSON.parse(await readFile(join(folder, 'bom.cdx.json'), 'utf8'))).toMatchObject({ bomFormat: 'CycloneDX' })
    },
  )

  async function asks(): Promise<void> {
    const result = await talk.run('by-queue', `write hello.txt: ${randomUUID()}`)
    expect(result, `${JSON.stringify(result)}\n${docker.logs('branchline-anna')}`).toMatchObject({ success: true, commit: expect.any(String) })
  }

  /** What stands nowhere else, in a thread of the user that is deleted next. */
  async function canary(run: Awaited<ReturnType<typeof shell>>): Promise<void> {
    const token = '"Authorization: Bearer $(sudo cat secrets/api-token)"'
    const message = JSON.stringify({ clientId: 'me', userId: 'me', threadId: 'hello', instruction: `write canary.txt: ${CANARY}` })
    const { out } = await run(here(`curl -sS http://127.0.0.1:8080/api/execute -H 'Content-Type: application/json' -H ${token} -d '${message}'`))
    expect(out).toContain('"success":true')
    const { code, out: found } = await run(`grep -rlaF '${CANARY}' '${docker.volume('branchline')}'`)
    expect(code).toBe(0)
    for (const part of ['journal.sqlite', '/events/', '/me/me/']) expect(found).toContain(part)
  }
})

describe('deploy/image/compose.yaml', async () => {
  const { services, volumes }: { services: Record<string, ComposeService>; volumes: object } = parse(
    await readFile(join(ROOT, 'deploy/image/compose.yaml'), 'utf8'),
    { merge: true },
  )

  it('pins its images, publishes nothing but to this machine, and sets no variable that there is not', async () => {
    expect(Object.keys(services)).toEqual(['sqs', 'tables', 'make', 'branchline'])
    const [node] = /docker\.io\/library\/node:\S+/.exec(await readFile(join(ROOT, 'deploy/image/Dockerfile'), 'utf8')) ?? []
    expect(services['sqs']?.image).toBe(node)
    const { devDependencies } = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8'))
    expect(services['sqs']?.command).toBe(`npx --yes fauxqs@${devDependencies.fauxqs}`)
    for (const name of ['make', 'branchline']) expect(services[name]?.image).toBe(IMAGE)
    for (const [, { image, ports = [], environment = {}, volumes: used = [], depends_on = {} }] of Object.entries(services)) {
      expect(image).toMatch(/^(docker\.io\/[\w-]+|localhost)\/[\w-]+:\d+\.\d+\.\d+(-[\w-]+)?$/)
      for (const port of ports) expect(port).toMatch(/^127\.0\.0\.1:\d+:\d+$/)
      for (const name of Object.keys(environment)) expect([...Object.keys(VARIABLES), ...SDK, 'FAUXQS_LOGGER'], `${name} of ${image}`).toContain(name)
      for (const each of used) expect([...Object.keys(volumes), '.']).toContain(each.split(/[:/]/)[0])
      for (const each of Object.keys(depends_on)) expect(Object.keys(services)).toContain(each)
    }
  })

  it.skipIf(missing !== undefined || !tableServerSupported)(
    'makes queues and a table as often as it is started, and takes the message that the page sends',
    { timeout: 300_000 },
    async () => {
      await using queues = await startQueueServer()
      await using tables = await startTableServer()
      const folder = await mkdtemp(join(tmpdir(), 'branchline-compose-'))
      await using parts = new AsyncDisposableStack()
      parts.defer(() => rm(folder, { recursive: true, force: true }))
      const ours = { [MARK]: process.env[MARK] ?? '', FIRST_USER_ID: process.env['FIRST_TEST_USER_ID'] ?? '', QUEUE_WAIT_SECONDS: '1', SPARE_AGENT: 'false' }
      const docker = parts.use(await startDocker({ name: IMAGE, image: testedImage() ?? { root: '', env: [], user: '', command: [] }, env: ours }))
      const run = await shell(folder, { PATH: docker.path, HOME: folder, [MARK]: process.env[MARK] ?? '', npm_config_update_notifier: 'false' })
      const api = await freePort()
      const previews = await freePort()
      const here = (text: string): string =>
        text
          .replaceAll('http://sqs:4566', queues.url)
          .replaceAll('http://127.0.0.1:4566', queues.url)
          .replaceAll('http://tables:8000', tables.url)
          .replaceAll('127.0.0.1:8080', `127.0.0.1:${api}`)
          .replaceAll('127.0.0.1:4321', `127.0.0.1:${previews}`)
          .replaceAll(/\$\{API_TOKEN:\?.*?\}/g, 'a-token-of-the-test')
      const start = async (name: string, flags: readonly string[]) =>
        run(here(['docker run', ...flags, ...argumentsOf(services[name])].join(' ')), join(ROOT, 'deploy/image'))
      for (const _ of [1, 2]) expect(await start('make', ['--rm'])).toEqual({ code: 0, out: 'The queues and the table are there.\n' })
      expect(await start('branchline', ['-d', '--name', 'branchline'])).toMatchObject({ code: 0 })
      const healthy = await run('for n in $(seq 60); do docker exec branchline branchline health && exit; sleep 1; done; false')
      expect(healthy, docker.logs('branchline')).toMatchObject({ code: 0 })
      const send = blocks.find(({ text }) => text.includes('send --queue'))?.text ?? ''
      const { code, out } = await run(here(send))
      expect(code, `${out}\n${docker.logs('branchline')}`).toBe(0)
      expect(out).toMatch(/Wrote hello\.txt/)
      expect(docker.logs('branchline')).toContain('acme-site-anna in the table branchline-journal')
      const stopped = await run("docker stop branchline; docker inspect --format '{{.State.ExitCode}}' branchline")
      expect(stopped, docker.logs('branchline')).toMatchObject({ code: 0, out: 'branchline\n0\n' })
    },
  )
})

/** What the SDK of AWS reads. */
const SDK = ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY', 'AWS_ENDPOINT_URL_SQS', 'AWS_ENDPOINT_URL_DYNAMODB']
