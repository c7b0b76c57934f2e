/** What was given is no RSA private key in PEM. */
export class BadPrivateKey extends Error {
  constructor() {
    super('must be an RSA private key in PEM, as GitHub lets you download it ("-----BEGIN RSA PRIVATE KEY-----")')
    this.name = 'BadPrivateKey'
  }
}

/** AlgorithmIdentifier of rsaEncryption (RFC 8017, appendix A.1), and the version before it. */
const VERSION_AND_ALGORITHM = [0x02, 0x01, 0x00, 0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00]

/**
 * An RSA private key as PKCS#8, in PEM. GitHub hands out PKCS#1, which Web Crypto does not read.
 *
 * @throws BadPrivateKey
 */
export async function toPkcs8(pem: string): Promise<string> {
  const [, kind, base64] = /^\s*-----BEGIN (RSA PRIVATE KEY|PRIVATE KEY)-----([A-Za-z0-9+/=\s]+)-----END \1-----\s*$/.exec(pem.replaceAll('\\n', '\n')) ?? []
  if (kind === undefined || base64 === undefined) throw new BadPrivateKey()
  try {
    const bytes = Uint8Array.from(atob(base64.replaceAll(/\s/g, '')), (character) => character.charCodeAt(0))
    const der = kind === 'PRIVATE KEY' ? bytes : Uint8Array.from(element(0x30, [...VERSION_AND_ALGORITHM, ...element(0x04, bytes)]))
    await crypto.subtle.importKey('pkcs8', der, { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' }, false, ['sign'])
    const text = btoa(Array.from(der, (byte) => String.fromCharCode(byte)).join(''))
    return `-----BEGIN PRIVATE KEY-----\n${text.replaceAll(/.{64}/g, '$&\n').trimEnd()}\n-----END PRIVATE KEY-----\n`
  } catch {
    throw new BadPrivateKey()
  }
}

/**
 * SHA-256 of the public key (SubjectPublicKeyInfo, DER), base64, as GitHub shows it beside its keys.
 *
 * @param pem PKCS#8
 */
export async function fingerprintOf(pem: string): Promise<string> {
  const algorithm = { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' }
  const der = Uint8Array.from(atob(pem.replaceAll(/-----[A-Z ]+-----|\s/g, '')), (character) => character.charCodeAt(0))
  const jwk = await crypto.subtle.exportKey('jwk', await crypto.subtle.importKey('pkcs8', der, algorithm, true, ['sign']))
  if (jwk instanceof ArrayBuffer || jwk.kty === undefined || jwk.n === undefined || jwk.e === undefined) throw new BadPrivateKey()
  const publicKey = await crypto.subtle.importKey('jwk', { kty: jwk.kty, n: jwk.n, e: jwk.e }, algorithm, true, ['verify'])
  const spki = await crypto.subtle.exportKey('spki', publicKey)
  if (!(spki instanceof ArrayBuffer)) throw new BadPrivateKey()
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', spki))
  return `SHA256:${btoa(Array.from(digest, (byte) => String.fromCharCode(byte)).join(''))}`
}

/** Tag, length and content (X.690, 8.1.3). */
function element(tag: number, content: Iterable<number>): number[] {
  const bytes = [...content]
  if (bytes.length < 0x80) return [tag, bytes.length, ...bytes]
  const length: number[] = []
  for (let left = bytes.length; left > 0; left >>= 8) length.unshift(left & 0xff)
  return [tag, 0x80 | length.length, ...length, ...bytes]
}
