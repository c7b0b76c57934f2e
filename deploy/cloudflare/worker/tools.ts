import { readSettings, type Settings } from './settings.ts'
import { Hidden, openLog } from './log.ts'
import type { Log } from '../../../src/ways/github/desk.ts'

/** What every object of the Worker begins with. */
export interface Tools {
  readonly settings: Settings
  readonly hidden: Hidden
  readonly log: Log
}

/** @throws BadSettings */
export function toolsOf(env: Env, about: Readonly<Record<string, string>>): Tools {
  const settings = readSettings(env)
  const hidden = new Hidden()
  for (const value of [settings.API_TOKEN, settings.model?.value, ...settings.VAULT_KEY.split(/[\s,]+/)]) hidden.keep(value)
  return { settings, hidden, log: openLog(hidden, about) }
}
