import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { bubblewrapArgs, findSandbox, NO_SANDBOX, SandboxUnavailable } from './sandbox.ts'

const view = { cwd: '/w/a/tree', writable: ['/w/a/tree', '/w/a/agent'], readable: ['/w/a/repository/objects'] }

/** Where an option with this value stands. */
const at = (args: readonly string[], option: string, path: string): number => args.findIndex((each, index) => each === option && args[index + 1] === path)

it('what is hidden comes before what is shown in it, and folders before what they hold', () => {
  const args = bubblewrapArgs(['/w', '/home/me/below', '/home', '/tmp'], ['/home/me/node'], view, true)
  const order = [
    at(args, '--ro-bind', '/'),
    at(args, '--tmpfs', '/home'),
    at(args, '--tmpfs', '/home/me/below'),
    at(args, '--ro-bind', '/home/me/node'),
    at(args, '--ro-bind', '/w/a/repository/objects'),
    at(args, '--bind', '/w/a/tree'),
    at(args, '--bind', '/w/a/agent'),
    at(args, '--chdir', '/w/a/tree'),
  ]
  expect(order).not.toContain(-1)
  expect(order).toEqual(order.toSorted((a, b) => a - b))
  expect(args.at(-1)).toBe('--')
})

it('only the work tree and the folder of the agent can be written to', () => {
  const args = bubblewrapArgs(['/w'], [], view, true)
  expect(args.flatMap((each, index) => (each === '--bind' || each === '--dev-bind' ? [args[index + 1]] : []))).toEqual(view.writable)
})

it('a process list of its own is had or not; no capability is had, and the network stays', () => {
  const [own, shared] = [bubblewrapArgs([], [], view, true), bubblewrapArgs([], [], view, false)]
  for (const option of ['--unshare-pid', '--proc']) expect([own.includes(option), shared.includes(option)]).toEqual([true, false])
  for (const args of [own, shared]) {
    expect(args).toContain('--die-with-parent')
    expect(args.join(' ')).toContain('--cap-drop ALL')
    expect(args).not.toContain('--unshare-net')
    expect(args).not.toContain('--unshare-all')
  }
})

it('without one, programs are started as they are', async () => {
  expect(await findSandbox('off', {}, { workspace: '/', programs: [] })).toBe(NO_SANDBOX)
  expect(NO_SANDBOX.command(view, '/bin/true', ['--', 'a'])).toEqual(['/bin/true', ['--', 'a']])
})

it('where a program cannot be reached in it, that is said, with what to do', async () => {
  const workspace = await mkdtemp(join(tmpdir(), 'branchline-sandbox-'))
  const found = findSandbox('bubblewrap', {}, { workspace, programs: [join(workspace, 'not-there')] })
  await expect(found).rejects.toThrow(SandboxUnavailable)
  await expect(found).rejects.toThrow(/^SANDBOX=bubblewrap, but .*apt-get install bubblewrap/)
  await rm(workspace, { recursive: true })
})
