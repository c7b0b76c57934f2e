// Every check and every test: `npm test`. It ends with what failed, a line each, and the count; a failed check counts as a failed test.
//   npm test -- unit         one project alone: unit, end-to-end, previews, aws, image, queues, github, cloudflare, workerd or faults
//   npm test -- crash        the files whose name holds that word
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { check } from './check.ts'
import { installWrangler } from './folder-packages.ts'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
/** Two sets side by side, which take about as long: much of the time is waiting. */
const SETS = [
  ['unit', 'end-to-end', 'previews', 'cloudflare'],
  ['image', 'aws', 'faults', 'queues', 'github'],
] as const
/** What runs inside workerd has a runner of its own, in its folder. */
const WORKERD = 'workerd'
/** What closing-line.ts tells of single tests. */
const TOLD = /^(?:failed|failed check|skipped): .*$/gm
const COUNTS = /(\d+) passed, (\d+) failed, (\d+) skipped\s*$/

interface Ran {
  readonly status: number
  readonly output: string
}

/** Runs tests; what is written is shown as it comes, or where others run beside them when they have ended. */
async function run(args: readonly string[], failed: readonly string[], beside: boolean, folder = root): Promise<Ran> {
  const child = spawn(process.execPath, [join(folder, 'node_modules', 'vitest', 'vitest.mjs'), 'run', ...args], {
    cwd: folder,
    stdio: ['inherit', 'pipe', 'inherit'],
    env: { ...process.env, BRANCHLINE_FAILED_CHECKS: failed.join(', ') },
  })
  let output = ''
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    output += chunk
    if (!beside) process.stdout.write(chunk)
  })
  const [status] = await once(child, 'close')
  return { status: typeof status === 'number' ? status : 1, output }
}

const [first, ...rest] = process.argv.slice(2)
if (first === undefined) {
  const failed = check()
  const inWorkerd = await run([], [], false, join(root, 'deploy', 'cloudflare'))
  const beside = await Promise.all(
    SETS.map((projects, at) =>
      run(
        projects.flatMap((name) => ['--project', name]),
        at === 0 ? failed : [],
        at > 0,
      ),
    ),
  )
  const runs = [...beside, inWorkerd]
  process.stdout.write(
    `\n${beside
      .slice(1)
      .map(({ output }) => output)
      .join('\n')}\n`,
  )
  const counts = runs.map(({ output }) => COUNTS.exec(output)?.slice(1).map(Number) ?? [0, 1, 0])
  const [passed, broken, skipped] = [0, 1, 2].map((at) => counts.reduce((sum, each) => sum + (each[at] ?? 0), 0))
  for (const { output } of runs) for (const line of output.match(TOLD) ?? []) process.stdout.write(`${line}\n`)
  process.stdout.write(`${passed} passed, ${broken} failed, ${skipped} skipped\n`)
  process.exitCode = failed.length === 0 && runs.every(({ status }) => status === 0) && broken === 0 ? 0 : 1
} else {
  if (first === WORKERD) installWrangler(root)
  const { status } =
    first === WORKERD
      ? await run(rest, [], false, join(root, 'deploy', 'cloudflare'))
      : await run(SETS.flat().some((name) => name === first) ? ['--project', first, ...rest] : [first, ...rest], [], false)
  process.exitCode = status
}
