import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { chmod, mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { clientOf, type Client } from '../support/client.ts'
import { makeFailpoints, standIn, type Failpoints } from '../support/failpoints.ts'
import { makeRepository } from '../support/repository.ts'
import { Sender } from '../support/sender.ts'
import { startService, temporaryFolder, type Service } from '../support/service.ts'
import { check } from './checker.ts'

const exec = promisify(execFile)
const FIRST_USER = 45_000
const USERS = 100
/** Agents have users of their own only where the service is root. */
const root = process.platform === 'linux' && process.getuid?.() === 0
const why = root ? '' : ' (skipped: agents have users of their own only as root)'

let [folder, gates, failpoints, service, client]: [string, string, Failpoints, Service, Client] = ['', '', undefined!, undefined!, undefined!]

beforeEach(async () => {
  folder = await temporaryFolder()
  gates = join(folder, 'gates')
  await mkdir(gates)
  await chmod(gates, 0o777)
  failpoints = await makeFailpoints(join(folder, 'failpoints'))
  const home = join(folder, 'service')
  await mkdir(home)
  const rules = { FIRST_USER_ID: String(FIRST_USER), INTERRUPT_GRACE_MS: '1200', INTERRUPTS_PER_MINUTE: '1000', MAX_RUNS: '4' }
  const origin = await makeRepository(join(folder, 'origin'))
  service = await startService({ workspace: home, env: { REPO_URL: origin, ...rules, ...standIn, ...failpoints.env } })
  client = clientOf(service)
})
afterEach(async () => {
  await rm(gates, { recursive: true, force: true }) // what starts itself anew looks for it
  await service[Symbol.asyncDispose]()
  await rm(folder, { recursive: true, force: true, maxRetries: 5 })
})

const judged = async (): Promise<void> => expect(await check(service.workspace, { quiet: true }), service.output().slice(-3000)).toEqual([])

/** Command lines of what lives as the users of this service, but for agents. */
function alive(): readonly string[] {
  return readdirSync('/proc').flatMap((pid) => {
    try {
      const uid = Number(/^Uid:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1])
      const line = readFileSync(`/proc/${pid}/cmdline`, 'latin1').replaceAll('\0', ' ')
      if (!(uid >= FIRST_USER && uid < FIRST_USER + USERS) || line === '' || line.includes('stand-in-agent')) return []
      // When a result is out, the service's git brings the agent's up to date, as that user.
      return readFileSync(`/proc/${pid}/environ`, 'latin1').includes('GIT_NO_LAZY_FETCH=1') ? [] : [line]
    } catch {
      return [] // no process, or it has ended
    }
  })
}
const until = async (holds: () => boolean | Promise<boolean>): Promise<void> => {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 10))
}
/** A shell command that says that it has begun, and then waits for its gate. */
const waiting = (gate: string): string => `touch ${gates}/${gate}.begun; while [ ! -e ${gates}/${gate} ] && [ -e ${gates} ]; do sleep 0.05; done`
const begun = (gate: string): Promise<void> => until(() => readdirSync(gates).includes(`${gate}.begun`))
const open = (gate: string): Promise<void> => writeFile(join(gates, gate), '')

describe('an agent', () => {
  it('that is deaf to interrupts and SIGINT is ended, its work is committed, and the next message has another', async () => {
    const deaf = await client.post('deaf', `write kept.txt: kept then run echo misbehave deaf; ${waiting('deaf')}`)
    await begun('deaf')
    expect(await client.run('deaf', 'write next.txt: next')).toMatchObject({ success: true, filesChanged: ['next.txt'] })
    expect(await client.result(deaf)).toMatchObject({ success: false, code: 'interrupted', filesChanged: ['kept.txt'] })
    expect(alive()).toEqual([])
    await judged()
  })

  it.each(['die', 'mumble'])('that ends without a result (%s) each time is a failure after three attempts, and no other thread suffers', async (how) => {
    const [bad, good] = await Promise.all([client.run(how, `misbehave ${how}`), client.run('good', 'write good.txt: good')])
    expect(bad).toMatchObject({ success: false, code: 'agent_failed', attempt: 3 })
    expect(good).toMatchObject({ success: true, attempt: 1 })
    expect(await client.run(how, 'write after.txt: after')).toMatchObject({ success: true, filesChanged: ['after.txt'] })
    await judged()
  })

  it('that is killed in the middle is started again and goes on; killed each time, it fails with its work committed', async () => {
    const once = await client.run('once', 'run echo kept > kept.txt; [ -e again ] || { touch again; kill -9 $PPID; sleep 60; }')
    expect(once).toMatchObject({ success: true, attempt: 2 })
    const always = await client.run('always', 'run echo kept > kept.txt; kill -9 $PPID; sleep 60')
    expect(always).toMatchObject({ success: false, code: 'agent_failed', attempt: 3 })
    for (const thread of ['once', 'always']) expect(await client.git('show', `thread-${thread}:kept.txt`)).toBe('kept')
    expect(alive()).toEqual([])
    await judged()
  })

  it('whose command ends the service each time fails after two attempts; other workspaces go on', async () => {
    const others = new Sender(() => service.url)
    const poison = await client.post('poison', `write kept.txt: kept then run ${waiting('poison')}`)
    for (const n of [1, 2]) {
      await begun('poison')
      await others.send({ userId: 'other', threadId: 'fine', commandId: `fine-${n}`, instruction: `write ${n}.txt: ${n}`, delivery: 'queue' })
      await others.settled()
      await rm(join(gates, 'poison.begun'))
      await service.kill()
      await service.restart()
    }
    expect(await client.result(poison)).toMatchObject({ success: false, code: 'crashed', attempt: 2 })
    expect([...others.sent.values()].map(({ results }) => results.at(-1)?.success)).toEqual([true, true])
    expect(await client.git('show', 'thread-poison:kept.txt')).toBe('kept')
    await judged()
  })
})

describe.skipIf(!root)(`with users of their own${why}`, () => {
  it('what forks twice, leaves its session, forgets its environment or starts itself anew does not outlive the run', async () => {
    const again = `#!/bin/sh\\n[ -e ${gates} ] || exit\\nsetsid env -i /bin/sh $0 &\\nsleep 0.05\\n`
    const command = [
      `printf '${again}' > ${gates}/again.sh`,
      `(setsid env -i /bin/sh ${gates}/again.sh &)`,
      '(sleep 401 & sleep 402 &) & setsid sh -c "trap \'\' TERM INT HUP; (sleep 403 &) ; sleep 404" &',
      'sleep 0.1; echo kept > kept.txt',
    ].join('\n')
    expect(await client.run('wild', `run ${command}`)).toMatchObject({ success: true, filesChanged: ['kept.txt'] })
    expect(alive()).toEqual([])
    expect(await client.run('wild', 'write next.txt: next')).toMatchObject({ success: true })
    await judged()
  })

  it('a fork bomb hits its limit, another thread works meanwhile, and all of it is cleared', async () => {
    const gate = join(gates, 'fifo')
    await exec('mkfifo', ['-m', '666', gate])
    const bomb = `(i=0; while [ $i -lt 3000 ]; do sleep 60 & i=$((i+1)); done) 2>/dev/null; echo kept > kept.txt; touch ${gates}/bomb.begun; read line < ${gate}`
    const id = await client.post('bomb', `run ${bomb}`)
    await begun('bomb')
    const started = alive().filter((line) => line.startsWith('sleep')).length
    expect(started).toBeGreaterThan(100)
    expect(started).toBeLessThan(1100)
    expect(await client.run('calm', 'write calm.txt: calm')).toMatchObject({ success: true, attempt: 1 })
    await writeFile(gate, '\n')
    expect((await client.result(id)).filesChanged).toEqual(['kept.txt'])
    expect(alive()).toEqual([])
    expect(await client.run('bomb', 'write next.txt: next')).toMatchObject({ success: true })
    await judged()
  })
})

describe('SIGTERM', () => {
  const restarted = async (): Promise<void> => {
    await service.restart()
    expect((await client.call('GET', '/health')).status).toBe(200)
  }

  it('ends an idle service, one that runs, one that commits and one that pushes with 0; each goes on at the next start, and nothing is doubled', async () => {
    await client.run('one', 'write a.txt: a')
    expect(await service.terminate()).toBe(0)
    expect(alive()).toEqual([])

    await restarted()
    const running = await client.post('one', `run echo b > b.txt; ${waiting('running')}`, { commandId: 'running' })
    await begun('running')
    expect(await service.terminate()).toBe(0)
    await open('running')
    await restarted()
    expect(await client.result(running)).toMatchObject({ success: true })

    const noted = failpoints.hold('save.noted')
    const committing = await client.post('one', 'write c.txt: c', { commandId: 'committing' })
    await noted.reached()
    const stopped = service.terminate()
    await until(() => service.output().includes('Stopping (SIGTERM)'))
    noted.release()
    expect(await stopped).toBe(0)
    await restarted()
    expect(await client.result(committing)).toMatchObject({ success: true, filesChanged: ['c.txt'] })
    expect(await client.git('log', '--format=%H', 'thread-one', '--', 'c.txt')).toMatch(/^\w{40}$/)

    const fixed = failpoints.hold('push.fixed')
    const { body } = await client.call('POST', client.thread('one', 'push'), { wait: false })
    await fixed.reached()
    const ended = service.terminate()
    await until(() => service.output().split('Stopping (SIGTERM)').length === 4)
    fixed.release()
    expect(await ended).toBe(0)
    await restarted()
    expect(await client.result(body.commandId)).toMatchObject({ success: true, pushed: true })
    expect((await exec('git', ['-C', join(folder, 'origin', 'origin.git'), 'rev-parse', 'thread-one'])).stdout.trim()).toBe(
      await client.git('rev-parse', 'thread-one'),
    )
    await judged()
  })

  it('ends it with 0 where nobody reads any more what it says', async () => {
    await service[Symbol.asyncDispose]()
    const [main, home] = [fileURLToPath(new URL('../../src/main.ts', import.meta.url)), join(folder, 'unheard')]
    const env = {
      PATH: process.env['PATH'] ?? '',
      HOME: folder,
      PORT: '0',
      ASTRO_PORT: 'off',
      WORKSPACE_PATH: home,
      npm_execpath: process.env['npm_execpath'] ?? '',
    }
    const child = spawn(process.execPath, [main], { env, stdio: ['ignore', 'pipe', 'pipe'] })
    await once(child.stdout, 'data')
    child.stdout.destroy()
    child.stderr.destroy()
    child.kill('SIGTERM')
    expect(await once(child, 'exit')).toEqual([0, null])
  })

  it('again and again ends it at once, and the next start finishes what was being committed', async () => {
    const hold = failpoints.hold('save.noted')
    const id = await client.post('twice', 'write a.txt: a')
    await hold.reached()
    await until(() => {
      if (service.alive) process.kill(service.pid, 'SIGTERM')
      return !service.alive
    })
    hold.release()
    await restarted()
    expect(await client.result(id)).toMatchObject({ success: true, filesChanged: ['a.txt'] })
    expect(await client.git('log', '--format=%s', 'thread-twice')).toBe('Wrote a.txt\nBegin')
    await judged()
  })

  it('while messages keep coming, time and again, loses and doubles none', async () => {
    const sender = new Sender(() => service.url)
    const sending = async (thread: number): Promise<void> => {
      for (let n = 0; n < 6; n += 1) {
        const file = { path: `t${thread}-${n}.txt`, content: `of t${thread}-${n}` }
        await sender.send({ userId: 'me', threadId: `t${thread}`, commandId: `t${thread}-${n}`, instruction: `write ${file.path}: ${file.content}`, file })
      }
    }
    const all = Promise.all([0, 1, 2, 3].map(sending))
    for (const _ of [1, 2, 3]) {
      expect(await service.terminate()).toBe(0)
      await service.restart()
    }
    await all
    await sender.settled()
    expect(await check(service.workspace, { quiet: true, sent: [...sender.sent.values()], elsewhere: /^nothing$/ })).toEqual([])
  })
})

it('a service that stood still goes on with what its agent did meanwhile, and nobody takes its folder', async () => {
  await service.restart({ RUN_TIMEOUT: '0.05' })
  const id = await client.post('frozen', `write before.txt: before then run ${waiting('frozen')} then write after.txt: after`)
  await begun('frozen')
  process.kill(service.pid, 'SIGSTOP')
  const frozen = Date.now()
  try {
    const second = startService({ workspace: join(folder, 'service'), env: { ...standIn, FIRST_USER_ID: String(FIRST_USER) } })
    await expect(second).rejects.toThrow(/in use by another Branchline/)
    await open('frozen')
    await until(() => Date.now() - frozen > 4000) // longer than RUN_TIMEOUT
  } finally {
    process.kill(service.pid, 'SIGCONT')
  }
  const result = await client.result(id)
  expect(result.error).toBeUndefined()
  expect(result).toMatchObject({ success: true, attempt: 1, filesChanged: ['after.txt', 'before.txt'] })
  await judged()
})
