import { inWords } from '../../src/command/words.ts'
import { VARIABLES, type Name } from '../../src/variables.ts'

/** Variables that containers get from the installation, each with the field of the file that it comes from, if there is one. */
export const SET_BY_INSTALLATION: Readonly<Partial<Record<Name, string>>> = {
  HOST: '',
  PORT: 'domain',
  ASTRO_PORT: 'domain',
  PREVIEW_DOMAIN: 'domain',
  PUBLIC_URL: 'domain',
  API_TOKEN: 'domain',
  WORKSPACE_PATH: '',
  CLIENT_ID: 'clientId',
  PROJECT_ID: 'projectId',
  USER_ID: 'userId',
  CONTAINER_ID: '',
  REPO_URL: 'repoUrl',
  GITHUB_TOKEN: 'gitTokenSecret',
  INPUT_QUEUE_URL: '',
  OUTPUT_QUEUE_URL: '',
  QUEUE_TABLE: 'queuePerThread',
  QUEUE_PREFIX: 'queuePerThread',
  DLQ_URL: '',
  JOURNAL_TABLE: '',
  AWS_REGION: 'region',
  AWS_ACCOUNT_ID: 'account',
  ECS_CLUSTER: '',
  ECS_SERVICE: '',
  ECS_AGENT_URI: '',
  AUTO_SHUTDOWN_MINUTES: 'autoShutdownMinutes',
  MAX_COST_USD_PER_DAY: 'maxCostUsdPerDay',
  DRAIN_SECONDS: '',
  METRICS_EMF: '',
  METRICS_NAMESPACE: 'name',
  ISOLATION: '',
  SIMULATION: '',
  ANTHROPIC_API_KEY: 'model',
  CLAUDE_CODE_USE_BEDROCK: 'model',
}

const isVariable = (name: string): name is Name => Object.hasOwn(VARIABLES, name)

/** Why a variable may not be given by a user's `environment` or `secrets`. */
function refusalOf(name: string): string | undefined {
  if (!isVariable(name)) return 'is no variable of the service'
  const field = SET_BY_INSTALLATION[name]
  if (field === undefined) return undefined
  return field === '' ? 'is set by the installation itself' : `is set by the installation itself, from ${field}`
}

/** What is wrong with a variable that is given as plain text. */
export function environmentProblems(name: string, value: string): readonly string[] {
  const refusal = refusalOf(name)
  if (refusal !== undefined || !isVariable(name)) return refusal === undefined ? [] : [refusal]
  const variable = VARIABLES[name]
  if ('secret' in variable) return ['is a secret; put it into Secrets Manager and name that secret in secrets']
  if (value === '' && !('emptyCounts' in variable)) return ['must not be empty, which is the same as not set']
  return variable.shape.safeParse(value, { error: inWords }).error?.issues.map(({ message }) => message) ?? []
}

/** What is wrong with a variable whose value is a secret. */
export function secretProblems(name: string): readonly string[] {
  const refusal = refusalOf(name)
  return refusal === undefined ? [] : [refusal]
}
