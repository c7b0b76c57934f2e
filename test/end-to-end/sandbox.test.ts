import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmod, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { clientOf, type Client } from '../support/client.ts'
import { startModel, type Model } from '../support/model.ts'
import { ofTheDay } from '../support/by-day.ts'
import { ask, previewUrl, shown } from '../support/previews.ts'
import { makeRepository } from '../support/repository.ts'
import { nodeForAll, noSeparateUsers } from '../support/separate.ts'
import { startService, temporaryFolder, type Service } from '../support/service.ts'

const BUBBLEWRAP = '/usr/bin/bwrap'

/** Why no sandbox can be had here, if none can. */
function noSandbox(): string | undefined {
  const { error, status, stderr } = spawnSync(BUBBLEWRAP, ['--unshare-user', '--unshare-pid', '--ro-bind', '/', '/', '--proc', '/proc', '/bin/true'], {
    encoding: 'utf8',
  })
  if (error !== undefined) return 'bubblewrap is not installed'
  return status === 0 ? undefined : `bubblewrap does not start: ${stderr.trim().slice(0, 100)}`
}
const why = noSandbox()
const skipped = why === undefined ? '' : ` (skipped: ${why})`

/** What processes with this word in their environment do, by the letters of `/proc/{pid}/stat`. */
async function statesOf(word: string): Promise<readonly string[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name))
  const found = await Promise.all(
    pids.map(async (pid) => {
      const environment = await readFile(`/proc/${pid}/environ`, 'latin1').catch(() => '')
      return environment.includes(word) ? [(await readFile(`/proc/${pid}/stat`, 'latin1').catch(() => '')).replace(/^.*\) (\w).*$/s, '$1')] : []
    }),
  )
  return found.flat()
}

/** Command lines of all processes of this machine. */
async function commandLines(): Promise<readonly string[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name))
  return Promise.all(pids.map((pid) => readFile(`/proc/${pid}/cmdline`, 'latin1').catch(() => '')))
}

/** A user without any right stands for one whose laptop it is. */
const PERSON = 131_500

describe.skipIf(why !== undefined).each(ofTheDay(['users of their own', 'root', 'a person'], 3))(`in a sandbox, agents that run as %s${skipped}`, (who) => {
  const without = who === 'users of their own' ? noSeparateUsers() : process.getuid?.() === 0 ? undefined : 'not root'
  describe.skipIf(without !== undefined)(without === undefined ? 'all of it' : `(skipped: ${without})`, () => {
    let [model, service, client, folder]: [Model, Service, Client, string] = [undefined!, undefined!, undefined!, '']
    beforeAll(async () => {
      folder = await temporaryFolder()
      const node = await nodeForAll(folder)
      await writeFile(join(folder, 'of-the-user.txt'), 'CANARY-of-the-user')
      // Where the program is in a folder of the service's own, agents cannot be users of their own.
      if (who === 'root') await chmod(folder, 0o700)
      const asPerson = join(folder, 'as-person')
      await writeFile(asPerson, `#!/bin/sh\nexec /usr/bin/setpriv --reuid ${PERSON} --regid ${PERSON} --clear-groups ${node} "$@"\n`, { mode: 0o755 })
      const home = await temporaryFolder()
      const repository = await makeRepository(join(home, 'origin'))
      // Tests read as root what another one has written, which git asks about.
      for (const [name, value] of [
        ['COUNT', '1'],
        ['KEY_0', 'safe.directory'],
        ['VALUE_0', '*'],
      ] as const)
        vi.stubEnv(`GIT_CONFIG_${name}`, value)
      if (who === 'a person') spawnSync('chown', ['-R', `${PERSON}:${PERSON}`, home, folder])
      model = await startModel()
      service = await startService({
        node: who === 'a person' ? asPerson : node,
        workspace: home,
        env: {
          REPO_URL: repository,
          SANDBOX: 'bubblewrap',
          ASTRO_PORT: '0',
          HMR_PORT: 'off',
          HOME: folder,
          ANTHROPIC_BASE_URL: model.url,
          ANTHROPIC_API_KEY: 'CANARY-model-key-5b1c',
          ...(who === 'users of their own' ? { ISOLATION: 'require' } : {}),
        },
      })
      client = clientOf(service)
    })
    afterAll(async () => {
      await service[Symbol.asyncDispose]()
      await model[Symbol.asyncDispose]()
      vi.unstubAllEnvs()
      await rm(folder, { recursive: true, force: true })
    })

    it('edit, and go on in the same conversation and process', async () => {
      expect(service.output()).toMatch(/sandbox {4}bubblewrap/)
      expect((await client.call('GET', '/health')).body.isolation).toBe(who === 'users of their own' ? 'separate' : 'same')
      expect(await client.run('own', 'write a.txt: one then run git status --short; git log --oneline')).toMatchObject({
        success: true,
        filesChanged: ['a.txt'],
      })
      const running = (await commandLines()).filter((line) => line.includes('bwrap') && line.includes(service.workspace)).length
      expect(await client.run('own', 'replace one with two in a.txt')).toMatchObject({ success: true, filesChanged: ['a.txt'] })
      expect((await commandLines()).filter((line) => line.includes('bwrap') && line.includes(service.workspace))).toHaveLength(running)
      expect(running).toBeGreaterThan(0)
      const states = await statesOf(`HOME=${service.workspace}/`)
      expect(states.length).toBeGreaterThan(2)
      expect(states.filter((state) => state !== 'T')).toEqual([])
      expect(await client.git('show', 'thread-own:a.txt')).toBe('two')
    })

    it('have previews that run in one too', async () => {
      const read = `require('fs').existsSync('${join(folder, 'of-the-user.txt')}') ? 'seen' : 'hidden'`
      const server = `require('http').createServer((_, answer) => answer.end('served, and others are ' + (${read}))).listen(process.env.PORT, '127.0.0.1')`
      await client.run('shown', `write package.json: {"scripts":{"dev":"node server.js"}} then write server.js: ${server}`)
      expect(await shown(client, 'shown')).toMatchObject({ success: true, previewUrl: previewUrl(service, 'thread-shown') })
      expect(await (await ask(previewUrl(service, 'thread-shown'))).text()).toBe('served, and others are hidden')
      expect((await client.call('POST', client.thread('shown', 'preview/stop'), {})).status).toBe(200)
    })

    it('find neither the files of others nor their processes', async () => {
      await client.run('victim', 'write secret.txt: nobody else')
      const { body } = await client.call('POST', '/api/init', { clientId: 'acme', userId: 'me', threadId: 'victim' })
      const targets = [
        body.workspace.projectPath,
        body.workspace.claudePath,
        join(service.workspace, '.branchline'),
        join(client.repository, 'HEAD'),
        join(folder, 'of-the-user.txt'),
        `/proc/${service.pid}/environ`,
        '/run/docker.sock',
      ]
      for (const target of targets) expect((await client.run('thief', `run ls -d ${target}; echo "exit $?"`)).summary, target).toContain('exit 2')
      const hunt = await client.run('thief', `run cat /proc/[0-9]*/environ 2>/dev/null | tr "\\0" "\\n" | grep -c CANARY; ls -d /proc/[0-9]* | wc -l`)
      expect(hunt.summary).toMatch(/\n0\n\d{1,2}$/)
    })

    it('write nowhere but into their own', async () => {
      const tried = ['/etc/planted', '/usr/planted', join(client.repository, 'objects', 'planted')]
      for (const path of tried) expect((await client.run('writer', `run touch ${path}; echo "exit $?"`)).summary, path).toContain('exit 1')
      expect((await client.run('writer', `run touch /tmp/planted-${service.pid} "$HOME/a" "$TMPDIR/b"; echo "exit $?"`)).summary).toContain('exit 0')
      expect(await readdir('/tmp')).not.toContain(`planted-${service.pid}`)
      expect((await client.run('writer', 'run umount /tmp; mount -o remount,rw /; echo "exit $?"')).summary).toMatch(/exit [1-9]/)
    })

    it('are interrupted, and what they wrote is saved', async () => {
      const first = await client.post('broken-off', 'write b.txt: b then run sleep 3217')
      await client.event('broken-off', (event) => event.type === 'tool.started' && JSON.stringify(event).includes('sleep 3217'))
      expect(await client.run('broken-off', 'write c.txt: c')).toMatchObject({ success: true })
      expect(await client.result(first)).toMatchObject({ filesChanged: ['b.txt'] })
      expect((await commandLines()).filter((line) => line.includes('3217\0'))).toEqual([])
    })

    it('lose what they left running', async () => {
      await client.run('hider', `run (setsid /bin/sleep 3213 &) ; (setsid nohup /bin/sleep 3213 >/dev/null 2>&1 &) ; echo hidden`)
      expect((await commandLines()).filter((line) => line.includes('3213\0'))).toEqual([])
      expect(await client.run('hider', 'write d.txt: d')).toMatchObject({ success: true })
    })

    it('build inside too', async () => {
      await client.run(
        'builder',
        `write build.cjs: try { require("fs").readFileSync("${join(folder, 'of-the-user.txt')}") } catch { require("fs").writeFileSync("built.txt", "x") }`,
      )
      await client.run('builder', 'write package.json: {"scripts":{"build":"node build.cjs"}}')
      expect(await client.run('builder', '', { type: 'build' })).toMatchObject({ success: true })
      expect((await client.run('builder', 'run ls built.txt')).summary).toMatch(/built\.txt\nbuilt\.txt/)
    })
  })
})

it.skipIf(why !== undefined)(`where it cannot be had, the service does not start, and says why${skipped}`, async () => {
  const folder = await temporaryFolder()
  const main = fileURLToPath(new URL('../../src/main.ts', import.meta.url))
  // A container that forbids user namespaces, as many do.
  const child = spawn(BUBBLEWRAP, ['--unshare-user', '--disable-userns', '--dev-bind', '/', '/', process.execPath, main], {
    env: { PATH: process.env['PATH'] ?? '', HOME: folder, PORT: '0', SANDBOX: 'bubblewrap', WORKSPACE_PATH: join(folder, 'workspace') },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: 30_000,
  })
  let said = ''
  child.stderr.on('data', (chunk) => (said += chunk))
  expect(await once(child, 'exit')).toEqual([1, null])
  expect(said).toMatch(/SANDBOX=bubblewrap, but no program can be started in it: bwrap: .*apt-get install bubblewrap/)
  await rm(folder, { recursive: true })
})
