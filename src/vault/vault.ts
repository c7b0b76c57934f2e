import * as z from 'zod'
import { vaultKeys, type VaultKey } from './keys.ts'
import { NotOpened, open, seal, type Sealed } from './seal.ts'

/** Where the sealed values are kept, as one text; `write` replaces all of it or nothing. */
export interface VaultStore {
  readonly read: () => Promise<string | undefined>
  readonly write: (text: string) => Promise<void>
}

/** What is kept cannot be read, or VAULT_KEY is not the key that sealed it. */
export class VaultLocked extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'VaultLocked'
  }
}

const SealedValue = z.strictObject({ keyId: z.string(), nonce: z.string(), sealed: z.string() })
const Kept = z.strictObject({ version: z.literal(1), values: z.record(z.string(), SealedValue) })
type Values = Readonly<Record<string, Sealed>>

const RECORD = 'values'

/** Credentials at rest, each sealed on its own. One owner at a time. */
export class Vault {
  readonly #store: VaultStore
  readonly #keys: readonly VaultKey[]
  readonly #tenant: string
  #values: Values
  /** What was opened already: a webhook asks for it each time. */
  readonly #opened = new WeakMap<Sealed, string>()
  #writing: Promise<unknown> = Promise.resolve()

  private constructor(store: VaultStore, keys: readonly VaultKey[], tenant: string, values: Values) {
    this.#store = store
    this.#keys = keys
    this.#tenant = tenant
    this.#values = values
  }

  /**
   * Opens a vault and sees that every value in it can be read. What an older key sealed is sealed anew with the first one.
   *
   * @throws VaultLocked, BadVaultKey
   */
  static async open(store: VaultStore, key: string, tenant: string): Promise<Vault> {
    const keys = await vaultKeys(key)
    const vault = new Vault(store, keys, tenant, valuesOf(await store.read()))
    for (const field of Object.keys(vault.#values)) await vault.get(field)
    await vault.#sealAnew()
    return vault
  }

  /** @throws VaultLocked */
  async get(field: string): Promise<string | undefined> {
    const sealed = Object.hasOwn(this.#values, field) ? this.#values[field] : undefined
    if (sealed === undefined) return undefined
    const known = this.#opened.get(sealed)
    if (known !== undefined) return known
    try {
      const text = await open(sealed, this.#placeOf(field), this.#keys)
      this.#opened.set(sealed, text)
      return text
    } catch (error) {
      if (error instanceof NotOpened) throw new VaultLocked(`${error.message}. Where that key is lost, remove what is kept and enter the values again.`)
      throw error
    }
  }

  /** Keeps values, durably when it returns; `undefined` takes one out. Others stay. */
  async set(changes: Readonly<Record<string, string | undefined>>): Promise<void> {
    await this.#change(async (values, key) => {
      const after: Record<string, Sealed> = { ...values }
      for (const [field, text] of Object.entries(changes)) {
        if (text === undefined) delete after[field]
        else after[field] = await seal(text, this.#placeOf(field), key)
      }
      return after
    })
  }

  async clear(): Promise<void> {
    await this.#change(async () => ({}))
  }

  async #sealAnew(): Promise<void> {
    if (Object.values(this.#values).every(({ keyId }) => keyId === this.#keys[0]?.id)) return
    await this.#change(async (values, key) => {
      const entries = Object.keys(values).map(async (field) => [field, await seal((await this.get(field)) ?? '', this.#placeOf(field), key)] as const)
      return Object.fromEntries(await Promise.all(entries))
    })
  }

  /** One change after the other, each on what the one before it has left. */
  async #change(change: (values: Values, key: VaultKey) => Promise<Values>): Promise<void> {
    const mine = this.#writing.then(async () => {
      const [key] = this.#keys
      if (key === undefined) throw new VaultLocked('VAULT_KEY holds no key')
      const values = await change(this.#values, key)
      await this.#store.write(`${JSON.stringify({ version: 1, values }, null, 2)}\n`)
      this.#values = values
    })
    this.#writing = mine.catch(() => {}) // who asked for it hears of it
    await mine
  }

  #placeOf = (field: string) => ({ tenant: this.#tenant, record: RECORD, field })
}

function valuesOf(text: string | undefined): Values {
  if (text === undefined) return {}
  try {
    return Kept.parse(JSON.parse(text)).values
  } catch {
    throw new VaultLocked('The vault is damaged: it is not what this program wrote. Bring back a copy of it, or remove it and enter its values again.')
  }
}
