const FORM = /^sha256=([0-9a-f]{64})$/

/**
 * Whether a webhook is GitHub's: `X-Hub-Signature-256` is the HMAC-SHA256 of the raw bytes with one of the secrets, compared in
 * constant time by Web Crypto. Several secrets are known while one is being replaced.
 */
export async function isSigned(body: Uint8Array<ArrayBuffer>, header: string | null | undefined, secrets: readonly string[]): Promise<boolean> {
  const hex = FORM.exec(header ?? '')?.[1]
  if (hex === undefined) return false
  const signature = Uint8Array.from(hex.match(/../g) ?? [], (byte) => Number.parseInt(byte, 16))
  const checked = await Promise.all(secrets.filter((secret) => secret !== '').map(async (secret) => verify(body, signature, secret)))
  return checked.includes(true)
}

async function verify(body: Uint8Array<ArrayBuffer>, signature: Uint8Array<ArrayBuffer>, secret: string): Promise<boolean> {
  const algorithm = { name: 'HMAC', hash: 'SHA-256' }
  const key = await crypto.subtle.importKey('raw', new TextEncoder().encode(secret), algorithm, false, ['verify'])
  return crypto.subtle.verify('HMAC', key, signature, body)
}
