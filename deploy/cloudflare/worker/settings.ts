import * as z from 'zod'
import { vaultKeyProblem } from '../../../src/vault/keys.ts'

const text = z.string().min(1)
const whole = (least: number, most: number) => z.string().regex(/^\d+$/, 'must be a whole number').transform(Number).pipe(z.int().min(least).max(most))
const flag = z.enum(['true', 'false'], 'must be true or false').transform((value) => value === 'true')
const usd = z.string().transform(Number).pipe(z.number('must be an amount in USD').positive('must be more than 0'))

/** Variables that a container gets as they are; what they mean is said where the service reads them. */
const PASSED_ON = [
  'ANTHROPIC_BASE_URL',
  'ANTHROPIC_MODEL',
  'CLAUDE_CODE_MAX_OUTPUT_TOKENS',
  'RUN_TIMEOUT',
  'RUN_LIMIT',
  'RATE_LIMIT_WAIT',
  'AUTO_REPAIR',
  'PUSH_WORKFLOWS',
  'GIT_AUTHOR_NAME',
  'GIT_AUTHOR_EMAIL',
  'EGRESS_ALLOW',
  'LOG_LEVEL',
] as const

/** Credentials of the model; one of them is needed, unless it is simulated. */
export const MODEL_SECRETS = ['ANTHROPIC_API_KEY', 'ANTHROPIC_AUTH_TOKEN', 'CLAUDE_CODE_OAUTH_TOKEN'] as const
export type ModelSecret = (typeof MODEL_SECRETS)[number]

const Variables = z.object({
  ENVIRONMENT: z.enum(['development', 'staging', 'production'], 'must be development, staging or production').default('development'),
  API_TOKEN: text.min(16, 'must be at least 16 characters'),
  VAULT_KEY: text.superRefine((value, context) => {
    const problem = vaultKeyProblem(value)
    if (problem !== undefined) context.addIssue({ code: 'custom', message: problem })
  }),
  GITHUB_API_URL: z.url({ protocol: /^https?$/, error: 'must be the address of an API' }).default('https://api.github.com'),
  MAX_CONTAINERS: whole(1, 1000).default(10),
  SLEEP_AFTER_SECONDS: whole(0, 3600).default(45),
  START_SECONDS: whole(1, 600).default(60),
  PROGRESS_SECONDS: whole(0, 3600).default(5),
  POLL_MS: whole(50, 60_000).default(2000),
  SIMULATION: flag.default(false),
  ISOLATION: z.enum(['require', 'auto'], 'must be require or auto').optional(),
  MAX_COST_USD: usd.optional(),
  MAX_COST_USD_PER_THREAD: usd.optional(),
  MAX_COST_USD_PER_DAY: usd.optional(),
  LOCAL_CONTAINERS: z.url().optional(),
  ...Object.fromEntries([...PASSED_ON, ...MODEL_SECRETS].map((name) => [name, text.optional()])),
})

/** What the operator has said, by variables and secrets of the Worker. */
export interface Settings extends Omit<z.infer<typeof Variables>, ModelSecret> {
  readonly model: { readonly name: ModelSecret; readonly value: string } | undefined
  readonly passedOn: Readonly<Record<string, string>>
}

/** The variables have problems; all of them. */
export class BadSettings extends Error {
  readonly problems: readonly string[]
  constructor(problems: readonly string[]) {
    super(problems.join('\n'))
    this.name = 'BadSettings'
    this.problems = problems
  }
}

/** @throws BadSettings that lists everything that is wrong */
export function readSettings(env: object): Settings {
  const given = Object.fromEntries(Object.entries(env).filter(([, value]) => typeof value === 'string' && value !== ''))
  const { data, error } = Variables.safeParse(given)
  const problems = (error?.issues ?? []).map(({ path, message }) => `${path.join('.')}: ${given[path.join('.')] === undefined ? 'must be set' : message}`)
  const names = MODEL_SECRETS.filter((name) => given[name] !== undefined)
  if (names.length > 1) problems.push(`${names.join(', ')}: only one of them may be set`)
  const simulated = given['SIMULATION'] === 'true'
  if (names.length === 0 && !simulated && given['LOCAL_CONTAINERS'] === undefined)
    problems.push('ANTHROPIC_API_KEY: must be set, or another credential of the model, or SIMULATION=true')
  if (given['LOCAL_CONTAINERS'] === undefined)
    for (const name of ['ANTHROPIC_BASE_URL', 'GITHUB_API_URL'])
      if (typeof given[name] === 'string' && given[name].startsWith('http://'))
        problems.push(`${name}: must begin with https://, so that credentials can be added on the way out`)
  if (data === undefined || problems.length > 0) throw new BadSettings(problems)
  const [name] = names
  return {
    ...data,
    model: name === undefined ? undefined : { name, value: String(given[name]) },
    passedOn: Object.fromEntries(PASSED_ON.flatMap((each) => (given[each] === undefined ? [] : [[each, String(given[each])]]))),
  }
}

/** Everything that is wrong with them. */
export function settingsProblems(env: object): readonly string[] {
  try {
    readSettings(env)
    return []
  } catch (error) {
    if (error instanceof BadSettings) return error.problems
    throw error
  }
}
