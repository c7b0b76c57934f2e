import { parse } from 'yaml'
import * as z from 'zod'
import type { GitHubApi, RepositoryName } from '../api/api.ts'
import { GitHubRefused } from '../api/refusals.ts'
import { inWords } from '../../../command/words.ts'

/** Where a repository says how it wants to be served; read from its default branch, so that whoever changes it may push there. */
export const SETTINGS_PATH = '.github/branchline.yml'
const MAX_CHARACTERS = 65_536

const names = z.array(z.string().min(1).max(200)).max(50).default([])
const which = (otherwise: 'all' | 'mention' | 'none') => z.enum(['all', 'mention', 'none'], 'must be all, mention or none').default(otherwise)

/** What may be said there. None of it runs anything, names a secret or raises a limit. */
const Settings = z.strictObject({
  triggers: z
    .strictObject({
      opened: z.boolean('must be true or false').default(true),
      labels: names,
      assignees: names,
      mention: z
        .string()
        .regex(/^@[\w-]{1,100}$/, 'must be a name such as @branchline')
        .optional(),
      comments: which('all'),
      reviews: which('all'),
      checks: z.boolean('must be true or false').default(true),
      conflicts: z.boolean('must be true or false').default(true),
    })
    .prefault({}),
  who: z.enum(['admin', 'maintain', 'write', 'triage', 'read', 'anyone'], 'must be admin, maintain, write, triage, read or anyone').default('write'),
  draft: z.boolean('must be true or false').default(false),
  maxCostUsd: z.number('must be an amount in USD').positive('must be more than 0').max(10_000).optional(),
})
export type Settings = z.infer<typeof Settings>
export type Who = Settings['who']

/** The settings file is not what it may be; the message names the fields. */
export class BadSettings extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'BadSettings'
  }
}

/**
 * Settings out of the text of their file; all defaults where there is none.
 *
 * @throws BadSettings
 */
export function readSettings(text: string | undefined): Settings {
  if (text === undefined) return Settings.parse({})
  if (text.length > MAX_CHARACTERS) throw new BadSettings(`it must hold at most ${MAX_CHARACTERS} characters`)
  let content: unknown
  try {
    content = parse(text, { maxAliasCount: 0, uniqueKeys: true, logLevel: 'error' })
  } catch (error) {
    throw new BadSettings(`it is not YAML (${error instanceof Error ? (error.message.split('\n', 1)[0] ?? '').replace(/:$/, '') : ''})`)
  }
  const parsed = Settings.safeParse(content ?? {}, { error: inWords })
  if (parsed.success) return parsed.data
  const problems = parsed.error.issues.map((issue) => {
    const field = [...issue.path, ...(issue.code === 'unrecognized_keys' ? [issue.keys.join(', ')] : [])].join('.')
    return `${field === '' ? 'the file' : field}: ${issue.code === 'unrecognized_keys' ? 'is not a setting' : issue.message}`
  })
  throw new BadSettings(problems.join('; '))
}

/** The settings of a repository, from its default branch. @throws BadSettings, GitHubBusy, NoAccess */
export async function settingsOf({ owner, name }: RepositoryName, api: GitHubApi): Promise<Settings> {
  try {
    const { data } = await api.inRepository({ owner, name })('GET /repos/{owner}/{repo}/contents/{path}', {
      owner,
      repo: name,
      path: SETTINGS_PATH,
      headers: { accept: 'application/vnd.github.raw+json' },
    })
    const text: unknown = data
    return readSettings(typeof text === 'string' ? text : JSON.stringify(text))
  } catch (error) {
    if (error instanceof GitHubRefused && error.status === 404) return readSettings(undefined)
    throw error
  }
}
