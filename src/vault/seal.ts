import type { VaultKey } from './keys.ts'

/** A value as it is kept: AES-256-GCM with a nonce of its own, bound to its place and its key. */
export interface Sealed {
  readonly keyId: string
  /** 12 bytes, base64. */
  readonly nonce: string
  /** Ciphertext and the tag of 16 bytes behind it, base64. */
  readonly sealed: string
}

/** Where a value belongs: sealed for one place, it opens in no other. */
export interface Place {
  readonly tenant: string
  readonly record: string
  readonly field: string
}

/** A value does not open: another key sealed it, or somebody has changed or moved it. */
export class NotOpened extends Error {
  constructor({ field }: Place, why: string) {
    super(`${field} in the vault cannot be opened: ${why}`)
    this.name = 'NotOpened'
  }
}

const NONCE_BYTES = 12
/** The longest tag that GCM has; a shorter one would be taken unless told otherwise. */
const TAG_BYTES = 16

export async function seal(text: string, place: Place, { id, key }: VaultKey): Promise<Sealed> {
  const nonce = crypto.getRandomValues(new Uint8Array(NONCE_BYTES))
  const sealed = await crypto.subtle.encrypt(algorithm(nonce, place, id), key, new TextEncoder().encode(text))
  return { keyId: id, nonce: toBase64(nonce), sealed: toBase64(new Uint8Array(sealed)) }
}

/** @throws NotOpened */
export async function open({ keyId, nonce, sealed }: Sealed, place: Place, keys: readonly VaultKey[]): Promise<string> {
  const key = keys.find(({ id }) => id === keyId)
  if (key === undefined) throw new NotOpened(place, `it was sealed with the key ${keyId}, which VAULT_KEY does not hold`)
  const [iv, bytes] = [fromBase64(nonce), fromBase64(sealed)]
  if (iv?.length !== NONCE_BYTES || bytes === undefined || bytes.length < TAG_BYTES) throw new NotOpened(place, 'it is damaged')
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: false }).decode(await crypto.subtle.decrypt(algorithm(iv, place, keyId), key.key, bytes))
  } catch {
    throw new NotOpened(place, 'it was changed, or belongs elsewhere') // Web Crypto says nothing more
  }
}

const algorithm = (iv: Uint8Array<ArrayBuffer>, { tenant, record, field }: Place, keyId: string) => ({
  name: 'AES-GCM',
  iv,
  tagLength: TAG_BYTES * 8,
  additionalData: new TextEncoder().encode(JSON.stringify(['branchline vault', 1, tenant, record, field, keyId])),
})

const toBase64 = (bytes: Uint8Array): string => btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(''))

function fromBase64(text: string): Uint8Array<ArrayBuffer> | undefined {
  try {
    const bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0))
    return toBase64(bytes) === text ? bytes : undefined // one way to write each value, so every changed character counts
  } catch {
    return undefined
  }
}
