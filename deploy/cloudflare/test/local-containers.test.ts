import { spawn } from 'node:child_process'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { startLocalContainers } from '../local-containers.ts'
import { machineEnvironment } from '../wrangler.ts'

const FIRST_USER_ID = Number(process.env['FIRST_TEST_USER_ID'] ?? 54_000)

/** What services that this process has started are told, by their pids. */
async function told(): Promise<ReadonlyMap<string, Readonly<Record<string, string>>>> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name))
  const read = (pid: string, name: string): Promise<string> => readFile(`/proc/${pid}/${name}`, 'utf8').catch(() => '') // it has ended
  const found = new Map<string, Readonly<Record<string, string>>>()
  for (const pid of pids) {
    if (/\) \w (\d+)/.exec(await read(pid, 'stat'))?.[1] !== String(process.pid)) continue
    const lines = (await read(pid, 'environ')).split('\0').filter((line) => line.includes('='))
    const env = Object.fromEntries(lines.map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]))
    if (env['WORKSPACE_PATH']?.includes('branchline-container-') === true) found.set(pid, env)
  }
  return found
}

it('containers that are asked for at once never share users, and are never more than may be', async () => {
  await using containers = await startLocalContainers({ most: 2, env: machineEnvironment(), firstUserId: FIRST_USER_ID })
  const put = async (name: string): Promise<number> =>
    (await fetch(`${containers.url}/${encodeURIComponent(name)}`, { method: 'PUT', body: JSON.stringify({ SIMULATION: 'true' }) })).status
  const statuses = await Promise.all(['1/a', '1/b', '1/c', '1/d'].map(put))
  expect(statuses.toSorted((a, b) => a - b)).toEqual([201, 201, 503, 503])
  const users = [...(await told()).values()].map((env) => env['FIRST_USER_ID'])
  expect(users).toHaveLength(2)
  expect(new Set(users).size).toBe(2)
})

it('what a container has started ends with it, also what is halted', async () => {
  await using containers = await startLocalContainers({ most: 1, env: machineEnvironment(), firstUserId: FIRST_USER_ID })
  await fetch(`${containers.url}/${encodeURIComponent('1/a')}`, { method: 'PUT', body: JSON.stringify({ SIMULATION: 'true' }) })
  const [env] = [...(await told()).values()]
  const child = spawn('sleep', ['300'], { env: { HOME: join(env?.['HOME'] ?? '', 'agent') }, stdio: 'ignore' })
  child.kill('SIGSTOP')
  await containers.end('1/a')
  await expect.poll(() => child.signalCode).toBe('SIGKILL')
})
