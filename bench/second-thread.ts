import { execFile } from 'node:child_process'
import { access, mkdir, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { findClaudeCode } from '../src/agent/binary.ts'
import { findIdentities } from '../src/process/identity.ts'
import { linkDependencies, readManifests } from '../src/workspace/dependencies.ts'
import { findNpm } from '../src/workspace/npm.ts'
import { servicePaths } from '../src/workspace/paths.ts'
import { clientOf } from '../test/support/client.ts'
import { startService, temporaryFolder } from '../test/support/service.ts'
import { complain, FIRST_USER_ID, inTurns, SERVICE_ENV, timed, type Subject } from './support.ts'

const exec = promisify(execFile)
const ROUNDS = 5

/** Another thread of a workspace, its branch checked out and its dependencies there, against starting over in another folder. */
export const secondThread: Subject<'thread'> = {
  figures: { thread: { name: 'second thread with its dependencies, against git clone and npm ci', unit: 'ms' } },
  async measure() {
    await using parts = new AsyncDisposableStack()
    const folder = await temporaryFolder()
    parts.defer(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }))
    const service = parts.use(await startService({ example: true, env: SERVICE_ENV }))
    const client = clientOf(service)
    const npm = findNpm(process.env['npm_execpath'])
    const identities = await findIdentities('auto', FIRST_USER_ID, {
      workspace: service.workspace,
      programs: [findClaudeCode(), process.execPath, dirname(npm)],
    })
    const options = {
      store: servicePaths(service.workspace).store,
      slot: 'bench',
      identities,
      npm,
      scripts: false,
      networkEnv: {},
      onProgress: () => {},
    }
    const built = await client.run('first', '', { type: 'build' })
    if (!built.success) throw complain(service, `the site was not built: ${JSON.stringify(built)}`)

    /** What a build or an edit of a new thread does before its own work begins. */
    const openThread = async (threadId: string): Promise<string> => {
      const { status, body } = await client.call('POST', '/api/init', { clientId: 'acme', userId: 'me', threadId })
      if (status !== 200) throw complain(service, `the thread was not prepared: ${JSON.stringify(body)}`)
      const workTree: string = body.workspace.projectPath
      const manifests = await readManifests(workTree)
      if (manifests === undefined) throw new Error('the site depends on nothing')
      const { uid } = await stat(workTree)
      const slotNumber = identities.level === 'separate' ? (uid - FIRST_USER_ID) / 2 : 0
      await linkDependencies(workTree, manifests.key, slotNumber, options)
      return workTree
    }
    const [home, cache] = [join(folder, 'home'), join(folder, 'cache')]
    await mkdir(home)
    const env = { ...process.env, PATH: `${dirname(process.execPath)}:${process.env['PATH'] ?? ''}`, HOME: home, npm_config_cache: cache }
    const startOver = async (workTree: string): Promise<string> => {
      await exec('git', ['clone', '-q', '--', client.repository, workTree])
      await exec(process.execPath, [npm, 'ci', '--ignore-scripts', '--prefer-offline', '--no-audit', '--no-fund'], { cwd: workTree, env })
      return workTree
    }
    /** Either way the site's generator has to be there, whole enough to be found. */
    const installs = async (open: () => Promise<string>): Promise<number> => {
      let workTree = ''
      const time = await timed(async () => (workTree = await open()))
      await access(join(workTree, 'node_modules', 'astro', 'package.json'))
      await rm(join(workTree, 'node_modules'), { recursive: true, force: true })
      return time
    }
    // Round 0 fills npm's cache.
    const times = await inTurns(ROUNDS, {
      ours: (round) => installs(() => openThread(`thread-${round}`)),
      over: (round) => installs(() => startOver(join(folder, `clone-${round}`))),
    })
    return { thread: { ours: times.ours, baseline: times.over } }
  },
}
