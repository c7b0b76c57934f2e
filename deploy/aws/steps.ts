import { join } from 'node:path'
import type { Installation } from './installation.ts'
import { slugOf } from './names.ts'
import { outputsIn, registryOutputsIn } from './outputs.ts'

/** A program that is run on the way, by its name for people. */
export interface Step {
  readonly what: string
  readonly program: 'cdk' | 'npm'
  readonly args: readonly string[]
  readonly cwd: string
  readonly env: Readonly<Record<string, string>>
  /** What to look at where it fails. */
  readonly hint: string
}

export interface Folders {
  /** Of the whole checkout. */
  readonly root: string
  /** Of what belongs to AWS. */
  readonly aws: string
}

interface Deployed {
  readonly what: string
  readonly stacks: readonly string[]
  /** The file that their outputs are written to. */
  readonly outputs: string
  readonly hint: string
}

/** Stacks that are deployed at once. */
const CONCURRENCY = 4

export const assemblyIn = ({ aws }: Folders, { name }: Installation): string => join(aws, 'cdk.out', name)

export const stackNamesOf = ({ name, users }: Installation) => ({
  registry: `${name}-registry`,
  rest: [`${name}-foundation`, ...users.map((user) => `${name}-${slugOf(user)}`)],
})

/** Deploys stacks as they have been synthesised; `npx cdk diff --app cdk.out/{name}` shows before what would change. */
function deploy(installation: Installation, folders: Folders, { what, stacks, outputs, hint }: Deployed): Step {
  const cdk = ['deploy', ...stacks, '--app', assemblyIn(folders, installation), '--exclusively', '--outputs-file', outputs]
  const quiet = ['--require-approval', 'never', '--concurrency', String(CONCURRENCY), '--progress', 'events', '--no-notices']
  return { what, program: 'cdk', args: [...cdk, ...quiet], cwd: folders.aws, env: {}, hint }
}

export function registryStep(installation: Installation, folders: Folders): Step {
  const place = `aws://${installation.account ?? 'ACCOUNT'}/${installation.region}`
  return deploy(installation, folders, {
    what: 'the registry',
    stacks: [stackNamesOf(installation).registry],
    outputs: registryOutputsIn(folders.aws, installation.name),
    hint: `Where it says that the environment has not been bootstrapped, run this once for an account and region, then again what you ran:\n  node_modules/.bin/cdk bootstrap ${place}   (in ${folders.aws})`,
  })
}

export const imageStep = ({ imageTag, architecture }: Installation, { root }: Folders, registryUri: string): Step => ({
  what: `the image ${imageTag}`,
  program: 'npm',
  args: ['run', 'image:push', '--', imageTag],
  cwd: root,
  env: { REGISTRY_URI: registryUri, IMAGE_PLATFORM: architecture === 'ARM64' ? 'linux/arm64' : 'linux/amd64' },
  hint: `Where it says that the tag is there already: tags are never written twice. Name another one as imageTag, or leave the image as it is by --skip-image.`,
})

export const restStep = (installation: Installation, folders: Folders): Step =>
  deploy(installation, folders, {
    what: 'the foundation and the users',
    stacks: stackNamesOf(installation).rest,
    outputs: outputsIn(folders.aws, installation.name),
    hint: 'What could not be made is named above, with the reason. What was begun is rolled back by itself; run it again when the reason is mended.',
  })
