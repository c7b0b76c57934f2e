/** The key of the vault cannot be used; the message says what would be right. */
export class BadVaultKey extends Error {
  constructor(message: string) {
    super(`VAULT_KEY: ${message}`)
    this.name = 'BadVaultKey'
  }
}

/** A key that values are sealed with. */
export interface VaultKey {
  /** Names the key and gives nothing of it away: the beginning of a SHA-256 over it. */
  readonly id: string
  readonly key: Awaited<ReturnType<typeof crypto.subtle.importKey>>
}

const KEY_BYTES = 32
/** 32 random bytes hold about 30 different ones; what a person types or repeats holds few. */
const MIN_DIFFERENT_BYTES = 16
const RULE = 'must be 32 random bytes as base64, such as `openssl rand -base64 32` prints'

/**
 * The keys of a vault, divided by white space or commas: the first one seals, and values that an older one sealed are still read.
 *
 * @throws BadVaultKey
 */
export async function vaultKeys(text: string): Promise<readonly VaultKey[]> {
  const problem = vaultKeyProblem(text)
  if (problem !== undefined) throw new BadVaultKey(problem)
  return Promise.all(keysIn(text).map((each) => keyOf(bytesOf(each) ?? new Uint8Array())))
}

const keysIn = (text: string): readonly string[] => text.split(/[\s,]+/).filter((each) => each !== '')

/** What is wrong with the text of keys. */
export function vaultKeyProblem(text: string): string | undefined {
  const keys = keysIn(text)
  return keys.length > 0 && keys.every((each) => bytesOf(each) !== undefined) ? undefined : RULE
}

function bytesOf(text: string): Uint8Array<ArrayBuffer> | undefined {
  if (!/^[A-Za-z0-9+/_-]{43}=?$/.test(text)) return undefined
  const bytes = Uint8Array.from(atob(text.replaceAll('-', '+').replaceAll('_', '/').replace(/=?$/, '=')), (character) => character.charCodeAt(0))
  return bytes.length === KEY_BYTES && new Set(bytes).size >= MIN_DIFFERENT_BYTES ? bytes : undefined
}

async function keyOf(bytes: Uint8Array<ArrayBuffer>): Promise<VaultKey> {
  const label = new TextEncoder().encode('branchline vault key ')
  const named = new Uint8Array(label.length + bytes.length)
  named.set(label)
  named.set(bytes, label.length)
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', named))
  const id = Array.from(digest.subarray(0, 8), (byte) => byte.toString(16).padStart(2, '0')).join('')
  return { id, key: await crypto.subtle.importKey('raw', bytes, 'AES-GCM', false, ['encrypt', 'decrypt']) }
}
