import { Secrets } from '../../../src/observe/redact.ts'
import { messageOf } from '../../../src/observe/text.ts'
import { GitHubApi } from '../../../src/ways/github/api/api.ts'
import type { App } from '../../../src/ways/github/api/app.ts'
import type { Log } from '../../../src/ways/github/desk.ts'
import { openLog } from './log.ts'
import { readSettings, type Settings } from './settings.ts'

/** What every object of the Worker begins with. */
export interface Tools {
  readonly settings: Settings
  readonly secrets: Secrets
  readonly log: Log
}

/** @throws BadSettings */
export function toolsOf(env: Env, about: Readonly<Record<string, string>>): Tools {
  const settings = readSettings(env)
  const model = settings.model === undefined ? [] : [settings.model.value]
  const secrets = new Secrets([settings.API_TOKEN, ...model, ...settings.VAULT_KEY.split(/[\s,]+/)])
  return { settings, secrets, log: openLog(secrets.redact, about) }
}

/** GitHub's API, asked as the app. */
export const apiOf = ({ settings, secrets }: Tools, app: () => Promise<App | undefined>): GitHubApi =>
  new GitHubApi({
    apiUrl: settings.GITHUB_API_URL,
    app,
    token: undefined,
    keepToken: (value) => secrets.keepToken(value),
    stop: new AbortController().signal, // what is asked ends with its object
  })

/** An error for the log, where the settings may be what is wrong: then it says no more than its kind. */
export function complain(env: Env, event: string, about: Readonly<Record<string, string>>, error: unknown): void {
  try {
    toolsOf(env, about).log.error({ event, error: messageOf(error) })
  } catch {
    openLog((text) => text, about).error({ event, error: error instanceof Error ? error.name : 'unknown' })
  }
}
