import { spawn, spawnSync } from 'node:child_process' // oxlint-disable-line no-restricted-imports -- this folder is a package of its own, and this its one place that starts programs
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Folders, Step } from './steps.ts'

/** The environment of this process, for programs that are started and for what they find in it (AWS credentials). */
const environment = process.env // oxlint-disable-line no-restricted-properties -- config.ts is of the service

/** A program has failed, after saying why. */
export class StepFailed extends Error {
  override readonly name = 'StepFailed'
}

/** npm as `scripts/with-node.js` names it, run by the Node that runs us. */
function npmCommand(): readonly [program: string, ...args: string[]] {
  const cli = environment['npm_execpath']
  return cli?.endsWith('.js') === true ? [process.execPath, cli] : ['npm']
}

/** Installs the packages of this folder where they are not as its lockfile says. @throws StepFailed where npm cannot */
export function installPackages({ aws }: Folders): void {
  const lock = createHash('sha256')
    .update(readFileSync(join(aws, 'package-lock.json')))
    .digest('hex')
  const stamp = join(aws, 'node_modules', '.branchline-installed')
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === lock) return
  process.stderr.write('branchline: installing the CDK (once; about 220 MB)\n')
  const [program, ...args] = [...npmCommand(), 'ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error']
  if (spawnSync(program, args, { cwd: aws, stdio: ['ignore', 2, 2] }).status !== 0)
    throw new StepFailed('The packages of deploy/aws could not be installed; npm says why above.')
  writeFileSync(stamp, lock)
}

/** Runs it with what it says going to whoever started us. @throws StepFailed */
export async function runStep(step: Step, { aws }: Folders): Promise<void> {
  process.stdout.write(`\nDeploying ${step.what}.\n`)
  const command: readonly [string, ...string[]] = step.program === 'npm' ? npmCommand() : [process.execPath, join(aws, 'node_modules', 'aws-cdk', 'bin', 'cdk')]
  const [program, ...args] = [...command, ...step.args] as const
  const ended = Promise.withResolvers<number | null>()
  const child = spawn(program, args, { cwd: step.cwd, stdio: 'inherit', env: { ...environment, CDK_DISABLE_CLI_TELEMETRY: 'true', ...step.env } })
  child.on('error', ended.reject)
  child.on('close', ended.resolve)
  if ((await ended.promise) === 0) return
  throw new StepFailed(`${step.what[0]?.toUpperCase()}${step.what.slice(1)} could not be deployed; the reason is above.\n${step.hint}`)
}
