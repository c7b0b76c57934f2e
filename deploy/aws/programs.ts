import { spawn } from 'node:child_process' // oxlint-disable-line no-restricted-imports -- this folder is a package of its own, and this its one place that starts programs
import { join } from 'node:path'
import { installCdk, npmCommand } from '../../scripts/folder-packages.ts'
import type { Folders, Step } from './steps.ts'

/** The environment of this process, for programs that are started and for what they find in it (AWS credentials). */
const environment = process.env // oxlint-disable-line no-restricted-properties -- config.ts is of the service

/** A program has failed, after saying why. */
export class StepFailed extends Error {
  override readonly name = 'StepFailed'
}

/** Installs the packages of this folder where they are not as its lockfile says. @throws StepFailed where npm cannot */
export function installPackages({ root }: Folders): void {
  try {
    installCdk(root)
  } catch (error) {
    throw new StepFailed(error instanceof Error ? error.message : String(error))
  }
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
