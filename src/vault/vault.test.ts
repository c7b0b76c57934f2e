import { createPrivateKey, generateKeyPairSync, randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { BadVaultKey, vaultKeys } from './keys.ts'
import { BadPrivateKey, toPkcs8 } from './pkcs8.ts'
import { Vault, VaultLocked, type VaultStore } from './vault.ts'

const newKey = (): string => randomBytes(32).toString('base64')
const KEY = newKey()

/** A store in memory, which can be slow. */
function memory(text?: string): VaultStore & { text: string | undefined } {
  const store = {
    text,
    read: async () => store.text,
    write: async (next: string) => {
      await new Promise((resolve) => setImmediate(resolve))
      store.text = next
    },
  }
  return store
}

interface KeptValue {
  keyId: string
  nonce: string
  sealed: string
}
const parsed = (text: string | undefined): { version: number; values: Record<string, KeptValue> } => JSON.parse(text ?? '')

describe('a vault', () => {
  it('gives back what it was given, and keeps nothing of it readable', async () => {
    const store = memory()
    const vault = await Vault.open(store, KEY, 'acme')
    await vault.set({ privateKey: 'CANARY-vault-1', appId: '7' })
    expect(store.text).not.toContain('CANARY')
    const again = await Vault.open(store, KEY, 'acme')
    expect([await again.get('privateKey'), await again.get('appId'), await again.get('constructor')]).toEqual(['CANARY-vault-1', '7', undefined])
    await again.set({ appId: undefined })
    expect(await again.get('appId')).toBeUndefined()
    await again.clear()
    expect(parsed(store.text).values).toEqual({})
  })

  it('seals the same value in another way each time', async () => {
    const store = memory()
    const vault = await Vault.open(store, KEY, 'acme')
    const nonces = new Set<string>()
    for (let at = 0; at < 50; at += 1) {
      await vault.set({ secret: 'same' })
      nonces.add(parsed(store.text).values['secret']?.nonce ?? '')
    }
    expect(nonces.size).toBe(50)
  })

  it('refuses every single changed byte of what is kept', async () => {
    const store = memory()
    await (await Vault.open(store, KEY, 'acme')).set({ secret: 'CANARY-vault-2' })
    const kept = parsed(store.text)
    for (const part of ['keyId', 'nonce', 'sealed'] as const) {
      const text = kept.values['secret']?.[part] ?? ''
      for (let at = 0; at < text.length; at += 1) {
        const changed = text.slice(0, at) + (text[at] === 'A' ? 'B' : 'A') + text.slice(at + 1)
        const broken = JSON.stringify({ ...kept, values: { secret: { ...kept.values['secret'], [part]: changed } } })
        await expect(Vault.open(memory(broken), KEY, 'acme'), `${part} at ${at}`).rejects.toThrow(VaultLocked)
      }
    }
  })

  it('refuses a tag that was cut short', async () => {
    const store = memory()
    await (await Vault.open(store, KEY, 'acme')).set({ secret: 'abcdefgh' })
    const kept = parsed(store.text)
    const bytes = Buffer.from(kept.values['secret']?.sealed ?? '', 'base64')
    for (const length of [0, 4, 8, 12, 15, bytes.length - 1]) {
      const cut = JSON.stringify({ ...kept, values: { secret: { ...kept.values['secret'], sealed: bytes.subarray(0, length).toString('base64') } } })
      await expect(Vault.open(memory(cut), KEY, 'acme')).rejects.toThrow(VaultLocked)
    }
  })

  it('refuses values that were swapped, or moved to another tenant', async () => {
    const store = memory()
    await (await Vault.open(store, KEY, 'acme')).set({ one: '1', two: '2' })
    const { version, values } = parsed(store.text)
    const swapped = JSON.stringify({ version, values: { one: values['two'], two: values['one'] } })
    await expect(Vault.open(memory(swapped), KEY, 'acme')).rejects.toThrow('one in the vault cannot be opened')
    await expect(Vault.open(memory(store.text), KEY, 'other')).rejects.toThrow(VaultLocked)
  })

  it('does not open with another key, and says which one is missing', async () => {
    const store = memory()
    await (await Vault.open(store, KEY, 'acme')).set({ one: '1' })
    const [key] = await vaultKeys(KEY)
    await expect(Vault.open(memory(store.text), newKey(), 'acme')).rejects.toThrow(`sealed with the key ${key?.id}, which VAULT_KEY does not hold`)
  })

  it('does not open what it did not write', async () => {
    for (const text of ['', '{', '[]', '{"version":2,"values":{}}', '{"version":1,"values":{"a":{"keyId":"x"}}}'])
      await expect(Vault.open(memory(text), KEY, 'acme')).rejects.toThrow('The vault is damaged')
  })

  it('is sealed anew with a new key; after that the old one is not needed', async () => {
    const [store, fresh] = [memory(), newKey()]
    await (await Vault.open(store, KEY, 'acme')).set({ one: '1', two: '2' })
    const rotated = await Vault.open(store, `${fresh},${KEY}`, 'acme')
    expect(await rotated.get('two')).toBe('2')
    expect(await (await Vault.open(store, fresh, 'acme')).get('one')).toBe('1')
    await expect(Vault.open(store, KEY, 'acme')).rejects.toThrow(VaultLocked)
  })

  it('loses nothing while it is written and read at once, with its key changed in between', async () => {
    const [store, fresh] = [memory(), newKey()]
    const before = await Vault.open(store, KEY, 'acme')
    await Promise.all(Array.from({ length: 100 }, (_, at) => before.set({ [`f${at}`]: String(at) })))
    const after = await Vault.open(store, `${fresh} ${KEY}`, 'acme')
    const work = Array.from({ length: 100 }, async (_, at) => {
      const [read] = await Promise.all([after.get(`f${at}`), after.set({ [`g${at}`]: String(at) })])
      return read
    })
    expect(await Promise.all(work)).toEqual(Array.from({ length: 100 }, (_, at) => String(at)))
    const { values } = parsed(store.text)
    expect(Object.keys(values)).toHaveLength(200)
    expect(new Set(Object.values(values).map(({ keyId }) => keyId)).size).toBe(1)
  })

  it('stays as it was where it cannot be written', async () => {
    const store = memory()
    const vault = await Vault.open(store, KEY, 'acme')
    await vault.set({ one: '1' })
    const failing = { ...store, write: async () => Promise.reject(new Error('disk full')) }
    const broken = await Vault.open({ ...failing, read: async () => store.text }, KEY, 'acme')
    await expect(broken.set({ one: '2' })).rejects.toThrow('disk full')
    expect(await broken.get('one')).toBe('1')
  })
})

it.each([
  ['nothing', ''],
  ['a word', 'secret'],
  ['too few bytes', Buffer.alloc(16, 7).toString('base64')],
  ['one byte again and again', Buffer.alloc(32, 7).toString('base64')],
  ['a sentence', Buffer.from('aaaabbbbccccddddaaaabbbbccccdddd').toString('base64')],
])('%s is no key', async (_, text) => {
  await expect(vaultKeys(text)).rejects.toThrow(BadVaultKey)
})

describe('a private key', () => {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })

  it('of GitHub becomes one that Web Crypto reads', async () => {
    const [pkcs1, pkcs8] = [privateKey.export({ type: 'pkcs1', format: 'pem' }).toString(), privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()]
    expect(await toPkcs8(pkcs1)).toBe(pkcs8)
    expect(await toPkcs8(pkcs8)).toBe(pkcs8)
    expect(await toPkcs8(pkcs1.replaceAll('\n', '\\n'))).toBe(pkcs8)
    expect(createPrivateKey(await toPkcs8(pkcs1)).asymmetricKeyType).toBe('rsa')
  })

  it('of another kind is refused', async () => {
    const { privateKey: ec } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const wrong = ['', 'x', ec.export({ type: 'pkcs8', format: 'pem' }).toString(), '-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----']
    for (const text of wrong) await expect(toPkcs8(text)).rejects.toThrow(BadPrivateKey)
  })
})
