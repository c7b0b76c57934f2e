import { readFileSync } from 'node:fs'
import * as z from 'zod'
import { ClientId, ProjectId, UserId } from '../../src/command/ids.ts'
import { inWords } from '../../src/command/words.ts'
import { containerIdOf } from '../../src/queues/names.ts'
import { version } from '../../src/version.ts'
import { slugOf } from './names.ts'
import { environmentProblems, secretProblems } from './user-variables.ts'

/** CPU units of Fargate and the memory, in MB, that each of them may have: from, to, in steps of. */
const SIZES: Readonly<Record<number, readonly [from: number, to: number, step: number]>> = {
  512: [1024, 4096, 1024],
  1024: [2048, 8192, 1024],
  2048: [4096, 16_384, 1024],
  4096: [8192, 30_720, 1024],
  8192: [16_384, 61_440, 4096],
  16_384: [32_768, 122_880, 8192],
}
/** The common name of a certificate (ACM). */
const MAX_CERTIFICATE_NAME = 64

const domainName = z
  .string()
  .max(253)
  .regex(/^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}$/, 'must be a domain in lower case, such as branchline.example.com')
const usd = z.number().positive('must be more than 0').max(1_000_000)

const secretName = (holds: string) => z.string().regex(/^[\w/+=.@-]{1,512}$/, `must be the name of a secret in Secrets Manager whose value is ${holds}`)
const environment = z.record(z.string(), z.string()).superRefine((given, context) => {
  for (const [name, value] of Object.entries(given)) {
    for (const message of environmentProblems(name, value)) context.addIssue({ code: 'custom', path: [name], message })
  }
})
const secrets = z.record(z.string(), secretName('that of the variable')).superRefine((given, context) => {
  for (const name of Object.keys(given)) for (const message of secretProblems(name)) context.addIssue({ code: 'custom', path: [name], message })
})

const User = z
  .strictObject({
    clientId: ClientId,
    projectId: ProjectId,
    userId: UserId,
    repoUrl: z
      .url({ protocol: /^https$/, error: 'must be an https:// URL, such as https://github.com/owner/repository' })
      .refine((text) => URL.parse(text)?.username === '' && URL.parse(text)?.password === '', 'must hold no user name or password; gitTokenSecret is for that')
      .refine((text) => URL.parse(text)?.port === '', 'must name no port: containers reach the ports 80 and 443 alone')
      .optional(),
    gitTokenSecret: secretName('the token').optional(),
    environment: environment.default({}),
    secrets: secrets.default({}),
    cpu: z.int().default(1024),
    memoryMb: z.int().default(2048),
    alwaysOn: z.boolean().default(false),
    autoShutdownMinutes: z
      .int()
      .min(2, 'must be 2 or more, because senders wake once a minute; alwaysOn is for a container that never ends')
      .max(10_000)
      .default(20),
    maxCostUsdPerDay: usd.optional(),
    safetyNet: z.boolean().default(true),
    queuePerThread: z.boolean().default(false),
  })
  .superRefine(({ cpu, memoryMb, repoUrl, gitTokenSecret, environment: plain, secrets: secret }, context) => {
    const size = SIZES[cpu]
    if (size === undefined) {
      context.addIssue({ code: 'custom', path: ['cpu'], message: `must be one of ${Object.keys(SIZES).join(', ')} (1024 is one processor)` })
    } else if (memoryMb < size[0] || memoryMb > size[1] || memoryMb % size[2] !== 0) {
      context.addIssue({ code: 'custom', path: ['memoryMb'], message: `must be from ${size[0]} to ${size[1]} in steps of ${size[2]} where cpu is ${cpu}` })
    }
    if (gitTokenSecret !== undefined && repoUrl === undefined) {
      context.addIssue({ code: 'custom', path: ['gitTokenSecret'], message: 'is for repoUrl, which is not set' })
    }
    for (const name of Object.keys(secret)) {
      if (Object.hasOwn(plain, name)) context.addIssue({ code: 'custom', path: ['secrets', name], message: 'is in environment too' })
    }
  })

const Model = z.discriminatedUnion(
  'kind',
  [
    z.strictObject({ kind: z.literal('anthropic') }),
    z.strictObject({
      kind: z.literal('bedrock'),
      // An ARN may be that of another service, or of a profile that does not say which model is behind it.
      model: z
        .string()
        .regex(
          /^(?!arn:)[a-z0-9][\w:.-]{0,254}[a-z0-9]$/i,
          'must be an id and no ARN: that of a model, such as anthropic.claude-sonnet-4-5-20250929-v1:0, or that of an inference profile of AWS, which is the same with us., eu. or global. before it',
        ),
    }),
  ],
  `must be {"kind": "anthropic"}, or {"kind": "bedrock", "model": "..."}`,
)

const Installation = z.strictObject({
  name: z
    .string()
    .regex(/^[a-z](?:[a-z0-9-]{0,14}[a-z0-9])?$/, 'must be 1 to 16 characters out of a-z 0-9 -, begin with a letter and not end in a dash')
    .default('branchline'),
  region: z.string().regex(/^[a-z]{2}(-[a-z]{2,12}){1,3}-\d{1,2}$/, 'must be a region, such as us-east-1'),
  account: z
    .string()
    .regex(/^\d{12}$/, 'must be the 12 digits of an AWS account')
    .optional(),
  domain: domainName.optional(),
  hostedZoneId: z
    .string()
    .regex(/^Z[A-Z0-9]{1,31}$/, 'must be the id of a hosted zone of Route 53, such as Z0123456789ABC')
    .optional(),
  hostedZoneName: domainName.optional(),
  architecture: z.enum(['ARM64', 'X86_64']).default('ARM64'),
  imageTag: z
    .string()
    .regex(/^\w[\w.-]{0,127}$/, 'must be the tag of an image')
    .default(version),
  model: Model,
  alarmEmail: z.email('must be an address of e-mail').optional(),
  maxCostUsdPerDay: usd.default(50),
  logRetentionDays: z
    .literal([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731], 'must be 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545 or 731')
    .default(30),
  users: z.array(User).min(1, 'must name at least one user'),
})

const LooseUser = z.object({
  clientId: ClientId,
  projectId: ProjectId,
  userId: UserId,
  environment: z.record(z.string(), z.unknown()).catch({}),
  secrets: z.record(z.string(), z.unknown()).catch({}),
})
/** What rules between fields look at, as far as it is there: the other problems of a file do not hide theirs. */
const Loose = z.object({
  domain: z.string().optional().catch(undefined),
  hostedZoneId: z.string().optional().catch(undefined),
  hostedZoneName: z.string().optional().catch(undefined),
  model: z.object({ kind: z.string() }).optional().catch(undefined),
  users: z.array(LooseUser.optional().catch(undefined)).catch([]),
})

function problemsBetweenFields(given: unknown): readonly string[] {
  const loose = Loose.safeParse(given)
  if (!loose.success) return [] // it is no object, which is the one problem that it has
  const { users, model, ...group } = loose.data
  const { domain, hostedZoneName } = group
  const problems: string[] = []
  if (Object.values(group).some((value) => value !== undefined)) {
    const missing = (['domain', 'hostedZoneId', 'hostedZoneName'] as const).filter((name) => group[name] === undefined)
    problems.push(...missing.map((name) => `${name}: is needed; domain, hostedZoneId and hostedZoneName go together`))
  }
  if (domain !== undefined && hostedZoneName !== undefined && domain !== hostedZoneName && !domain.endsWith(`.${hostedZoneName}`)) {
    problems.push(`domain: must be ${hostedZoneName} or below it`)
  }
  const seen = new Map<string, number>()
  const slugs = new Map<string, number>()
  for (const [at, user] of users.entries()) {
    if (user === undefined) continue
    const container = containerIdOf(user)
    const before = seen.get(container)
    // The journal and the queues are found by this name, so one container would take the other's.
    if (before !== undefined) problems.push(`users[${at}]: is called ${container} as users[${before}] is; {client}-{project}-{user} must differ`)
    else seen.set(container, at)
    const slug = slugOf(user)
    const alike = slugs.get(slug)
    if (before === undefined && alike !== undefined) {
      problems.push(`users[${at}]: would have its stack and its service called ${slug}, as those of users[${alike}] are; change one of the ids`)
    }
    slugs.set(slug, at)
    for (const field of ['environment', 'secrets'] as const) {
      if (model?.kind === 'bedrock' && Object.hasOwn(user[field], 'ANTHROPIC_MODEL')) {
        problems.push(`users[${at}].${field}.ANTHROPIC_MODEL: is set by the installation itself, from model, where that is of Bedrock`)
      }
    }
    const host = `${slug}.${domain}`
    if (domain !== undefined && host.length > MAX_CERTIFICATE_NAME) {
      problems.push(
        `users[${at}]: would be reached at ${host}, which is longer than the ${MAX_CERTIFICATE_NAME} characters that a certificate takes; use a shorter domain or shorter ids`,
      )
    }
  }
  return problems
}

export type Installation = Readonly<z.output<typeof Installation>>
export type InstalledUser = Installation['users'][number]

/** The file has problems; all of them. */
export class BadInstallation extends Error {
  readonly problems: readonly string[]
  constructor(file: string, problems: readonly string[]) {
    super(`${file} has ${problems.length === 1 ? 'a problem' : `${problems.length} problems`}:\n${problems.map((problem) => `  - ${problem}`).join('\n')}`)
    this.name = 'BadInstallation'
    this.problems = problems
  }
}

const pathOf = (path: readonly PropertyKey[]): string =>
  path.reduce<string>((text, key) => (typeof key === 'number' ? `${text}[${key}]` : `${text}${text === '' ? '' : '.'}${String(key)}`), '')

function wordsOf(issue: z.core.$ZodIssue): readonly string[] {
  if (issue.code === 'unrecognized_keys') return issue.keys.map((key) => `${pathOf([...issue.path, key])}: is not known`)
  return [issue.path.length === 0 ? issue.message : `${pathOf(issue.path)}: ${issue.message}`]
}

/** @throws BadInstallation that lists everything that is wrong */
export function parseInstallation(text: string, file = 'installation.json'): Installation {
  let given: unknown
  try {
    given = JSON.parse(text)
  } catch (error) {
    throw new BadInstallation(file, [`must be JSON (${error instanceof Error ? error.message : String(error)})`])
  }
  const { success, data, error } = Installation.safeParse(given, { error: inWords })
  const problems = [...new Set([...(error?.issues ?? []).flatMap(wordsOf), ...problemsBetweenFields(given)])]
  if (success && problems.length === 0) return data
  throw new BadInstallation(file, problems)
}

/** @throws BadInstallation */
export function readInstallation(file: string): Installation {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    throw new BadInstallation(file, [`cannot be read (${error instanceof Error ? error.message : String(error)})`])
  }
  return parseInstallation(text, file)
}
