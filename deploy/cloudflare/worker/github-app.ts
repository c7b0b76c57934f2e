import { DurableObject } from 'cloudflare:workers'
import type * as z from 'zod'
import { BadPrivateKey } from '../../../src/vault/pkcs8.ts'
import { Vault } from '../../../src/vault/vault.ts'
import type { GitHubApi } from '../../../src/ways/github/api/api.ts'
import { appFields, readApp, type App } from '../../../src/ways/github/api/app.ts'
import { appIn, shownConfig, type ConfigAnswer, type ConfigBody } from '../../../src/ways/github/api/config.ts'
import { findMissed } from '../../../src/ways/github/in/missed.ts'
import { messageOf } from '../../../src/observe/text.ts'
import { apiOf, toolsOf, type Tools } from './tools.ts'

/** Whose values the vault holds. */
const TENANT = 'branchline'
const SEALED = 'vault'
const SINCE = 'missed since'

/** The GitHub App: its credentials, each sealed by VAULT_KEY, and what concerns no single repository. There is one. */
export class GitHubAppObject extends DurableObject<Env> {
  #opened: Promise<{ readonly tools: Tools; readonly vault: Vault; readonly api: GitHubApi }> | undefined

  /** For other objects of this Worker alone. */
  async app(): Promise<App | undefined> {
    const { vault } = await this.#open()
    return readApp(vault)
  }

  /** What may be shown. */
  async shown(): Promise<z.infer<typeof ConfigAnswer>> {
    const { vault, api, tools } = await this.#open()
    return shownConfig(vault, api, tools.secrets.redact)
  }

  /** Keeps what is entered; a key that is none is a problem of the field. */
  async enter(body: z.infer<typeof ConfigBody>): Promise<{ readonly badPrivateKey?: string }> {
    const { vault } = await this.#open()
    try {
      await vault.set(appFields(await appIn(body)))
      return {}
    } catch (error) {
      if (error instanceof BadPrivateKey) return { badPrivateKey: error.message }
      throw error
    }
  }

  /** Forgets it, also where VAULT_KEY is no longer the key that sealed it. */
  async clear(): Promise<void> {
    this.ctx.storage.kv.delete(SEALED)
    this.#opened = undefined
  }

  /** Looks through GitHub's log for webhooks that did not arrive. */
  async lookForMissed(): Promise<void> {
    const { api, tools } = await this.#open()
    if (!(await api.hasApp())) return
    const repository = (id: number | bigint) => this.env.REPOSITORY.getByName(String(id))
    try {
      const since = await findMissed(
        {
          api,
          knows: async (id, repositoryId) => repositoryId !== undefined && repository(repositoryId).knows(id),
          put: async (told, event) => repository(event.repository.id).record(told),
          log: tools.log,
          stopped: () => false,
        },
        this.ctx.storage.kv.get<number>(SINCE) ?? 0,
      )
      this.ctx.storage.kv.put(SINCE, since)
    } catch (error) {
      tools.log.warn({ event: 'github.log_not_read', error: messageOf(error) })
    }
  }

  /** One that failed is tried again with the next request. */
  #open() {
    this.#opened ??= this.#openNow().catch((error: unknown) => {
      this.#opened = undefined
      throw error
    })
    return this.#opened
  }

  async #openNow() {
    const tools = toolsOf(this.env, { object: 'github-app' })
    const { kv } = this.ctx.storage
    const store = { read: async () => kv.get<string>(SEALED), write: async (text: string) => kv.put(SEALED, text) }
    const vault = await Vault.open(store, tools.settings.VAULT_KEY, TENANT)
    const api = apiOf(tools, async () => readApp(vault))
    return { tools, vault, api }
  }
}
