// Installs Branchline on AWS, or brings an installation up to date: `npm run deploy:aws -- FILE [--skip-image] [--synth-only]`.
import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { defaultProvider } from '@aws-sdk/credential-provider-node'
import { BadInstallation, readInstallation, type Installation } from './installation.ts'
import { hourOf, idleCosts } from './costs.ts'
import { slugOf } from './names.ts'
import { outputsIn, registryOutputsIn, registryUriOf } from './outputs.ts'
import { installPackages, runStep, StepFailed } from './programs.ts'
import { assemblyIn, imageStep, registryStep, restStep, stackNamesOf, type Folders } from './steps.ts'

const aws = import.meta.dirname
const folders: Folders = { aws, root: resolve(aws, '../..') }
const say = (text: string): void => void process.stdout.write(`${text}\n`)

const HOW = `Usage: npm run deploy:aws -- FILE [--skip-image] [--synth-only]

  FILE           what to install, as JSON. To begin, copy deploy/aws/installation.example.json and change it
  --skip-image   the image is in the registry already
  --synth-only   only makes the templates, in deploy/aws/cdk.out/{name}, and says what there would be; needs no AWS`

/** What cannot go on, said to the operator. */
class Refused extends Error {}

async function main(): Promise<void> {
  const { file, skipImage, synthOnly } = argumentsOf(process.argv.slice(2))
  const installation = readInstallation(resolve(file))
  installPackages(folders)
  await synthesise(installation)
  say(summaryOf(installation))
  if (synthOnly) return
  await credentials()
  await runStep(registryStep(installation, folders), folders)
  if (!skipImage) await runStep(imageStep(installation, folders, registryUriOf(registryOutputsIn(aws, installation.name))), folders)
  await runStep(restStep(installation, folders), folders)
  say(nextOf(installation))
}

function argumentsOf(args: string[]): { readonly file: string; readonly skipImage: boolean; readonly synthOnly: boolean } {
  const options = { 'skip-image': { type: 'boolean', default: false }, 'synth-only': { type: 'boolean', default: false } } as const
  try {
    const { values, positionals } = parseArgs({ args, options, allowPositionals: true })
    const [file, another] = positionals
    if (file === undefined || another !== undefined) throw new Refused(HOW)
    return { file, skipImage: values['skip-image'], synthOnly: values['synth-only'] }
  } catch (error) {
    if (error instanceof Refused) throw error
    throw new Refused(`${error instanceof Error ? error.message : String(error)}\n\n${HOW}`)
  }
}

async function synthesise(installation: Installation): Promise<void> {
  const { stacksOf } = await import('./stacks.ts') // its packages are there only by now
  stacksOf(installation, assemblyIn(folders, installation)).app.synth()
}

async function credentials(): Promise<void> {
  await defaultProvider()().catch((error: unknown) => {
    throw new Refused(
      `No AWS credentials were found (${error instanceof Error ? error.message : String(error)}).\nSign in as for the AWS command line, such as by \`aws sso login\` and AWS_PROFILE, and run this again.`,
    )
  })
}

const usd = (amount: number): string => amount.toFixed(2)

function summaryOf(installation: Installation): string {
  const { registry, rest } = stackNamesOf(installation)
  const costs = idleCosts(installation)
  const users = installation.users.map((user) => {
    const where = installation.domain === undefined ? 'by its queues' : `https://${slugOf(user)}.${installation.domain}`
    return `  ${user.clientId}, ${user.projectId}, ${user.userId}: ${where}; ${user.alwaysOn ? 'always on' : `asleep after ${user.autoShutdownMinutes} minutes`}, ${usd(hourOf(installation, user))} USD an hour while it runs`
  })
  return [
    `Stacks in ${installation.region}, made in ${assemblyIn(folders, installation)}:`,
    ...[registry, ...rest].map((stack) => `  ${stack}`),
    `${installation.users.length === 1 ? 'One user' : `${installation.users.length} users`}:`,
    ...users,
    `In a month in which nobody works, about ${usd(costs.reduce((sum, { usdPerMonth }) => sum + usdPerMonth, 0))} USD (prices of us-east-1 in 2026), besides storage, logs and metrics:`,
    ...costs.map(({ what, usdPerMonth }) => `  ${usd(usdPerMonth).padStart(8)}  ${what}`),
  ].join('\n')
}

function nextOf(installation: Installation): string {
  const foundation = `${installation.name}-foundation`
  return [
    `\nDone. ${outputsIn(aws, installation.name)} has the names of all that senders need, by stack.`,
    ...(installation.model.kind === 'anthropic'
      ? [
          `Put your key of the Anthropic API into the secret that ${foundation} names as ModelKeySecretName, if you have not yet; containers use it from their next start on.`,
        ]
      : []),
    ...(installation.alarmEmail === undefined
      ? []
      : [`AWS has asked ${installation.alarmEmail} to confirm that alarms may be sent there, if it has not before.`]),
  ].join('\n')
}

try {
  await main()
} catch (error) {
  if (!(error instanceof Refused || error instanceof BadInstallation || error instanceof StepFailed)) throw error
  process.stderr.write(`${error.message}\n`)
  process.exitCode = 1
}
