import { createHash, createHmac, type Hash, type Hmac } from 'node:crypto'
import type { defaultProvider as DefaultProvider } from '@aws-sdk/credential-provider-node'
import type { SignatureV4 } from '@smithy/signature-v4'

/** What the operator says of the models of Amazon Bedrock. */
export interface BedrockAccess {
  readonly kind: 'bedrock'
  readonly url: string
  readonly region: string
  /** A key of Bedrock's own, in the place of signatures. */
  readonly bearer: string | undefined
}

export interface BedrockRequest {
  readonly method: string
  readonly url: URL
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>
  readonly body: Buffer
}

/** AWS credentials cannot be had. */
export class NoAwsCredentials extends Error {
  constructor(cause: unknown) {
    super('no AWS credentials were found', { cause })
    this.name = 'NoAwsCredentials'
  }
}

/** Bedrock takes requests of at most this size besides what HTTP adds; one has to be there as a whole to be signed. */
export const MAX_BEDROCK_BODY = 32 * 1024 * 1024

/** Ids of models, of inference profiles, and their ARNs, as they are before they are percent-encoded. */
const MODEL = /^[a-z0-9](?:[\w:./-]{0,2046}[a-z0-9])?$/i
const PATH = /^\/model\/([^/?#]+)\/(invoke|invoke-with-response-stream)$/
/** What is passed on of a request; whatever else an agent says, nothing of it is signed. */
const PASSED_ON = ['accept', 'anthropic-beta', 'anthropic-version', 'content-type', 'user-agent']

/**
 * The path of a request for a model, encoded as Amazon's own clients encode it, or undefined where the request is another one.
 * What is signed is what is sent: nothing of the path of the request itself is passed on.
 */
export function bedrockEndpoint(method: string, target: string): string | undefined {
  const [, encoded = '', verb] = (method === 'POST' ? PATH.exec(target) : undefined) ?? []
  const model = decoded(encoded)
  if (verb === undefined || model === undefined || !MODEL.test(model) || model.includes('..') || model.includes('//')) return undefined
  return `/model/${encodeURIComponent(model)}/${verb}`
}

/** The model that a request is for, given what `bedrockEndpoint` answered. */
export const bedrockModel = (endpoint: string): string => decoded(PATH.exec(endpoint)?.[1] ?? '') ?? ''

function decoded(encoded: string): string | undefined {
  try {
    return decodeURIComponent(encoded)
  } catch {
    return undefined
  }
}

/** Puts the operator's right to use Bedrock into requests. */
export class Bedrock {
  readonly kind = 'bedrock'
  readonly url: string
  readonly region: string
  readonly #bearer: string | undefined
  /** What signs, with where it has credentials from; loaded when it is first needed. */
  #signing: Promise<{ readonly credentials: ReturnType<typeof DefaultProvider>; readonly signer: SignatureV4 }> | undefined

  constructor({ url, region, bearer }: BedrockAccess) {
    this.url = url
    this.region = region
    this.#bearer = bearer
  }

  /**
   * Looks for credentials where Amazon's own programs do: environment, shared files, web identity, container, instance.
   *
   * @throws NoAwsCredentials
   */
  async check(): Promise<void> {
    if (this.#bearer !== undefined) return
    try {
      await (await this.#signed()).credentials()
    } catch (error) {
      throw new NoAwsCredentials(error)
    }
  }

  /** The headers to send a request with: few of its own, and the right to send it. */
  async authorize({ method, url, headers, body }: BedrockRequest): Promise<Record<string, string>> {
    const kept: Record<string, string> = { host: url.host, 'content-length': String(body.length), 'accept-encoding': 'identity' }
    for (const name of PASSED_ON) {
      const value = headers[name]
      if (value !== undefined) kept[name] = String(value)
    }
    if (this.#bearer !== undefined) return { ...kept, authorization: `Bearer ${this.#bearer}` }
    const { signer } = await this.#signed()
    const signed = await signer.sign({
      method,
      protocol: url.protocol,
      hostname: url.hostname,
      path: url.pathname,
      query: {},
      headers: kept,
      body,
    })
    return signed.headers
  }

  #signed() {
    return (this.#signing ??= this.#load())
  }

  async #load() {
    const [{ defaultProvider }, { SignatureV4: Signer }] = await Promise.all([import('@aws-sdk/credential-provider-node'), import('@smithy/signature-v4')])
    const credentials = defaultProvider()
    return { credentials, signer: new Signer({ service: 'bedrock', region: this.region, credentials, sha256: Sha256, applyChecksum: false }) }
  }
}

/** SHA-256 of Node, in the form in which the signer takes one. */
class Sha256 {
  readonly #hash: Hash | Hmac

  constructor(secret?: string | ArrayBuffer | ArrayBufferView) {
    this.#hash = secret === undefined ? createHash('sha256') : createHmac('sha256', bytes(secret))
  }

  update(data: string | ArrayBuffer | ArrayBufferView): void {
    this.#hash.update(bytes(data))
  }

  async digest(): Promise<Uint8Array> {
    return this.#hash.digest()
  }

  reset(): void {
    throw new Error('a hash is used once')
  }
}

const bytes = (data: string | ArrayBuffer | ArrayBufferView): Buffer => {
  if (typeof data === 'string') return Buffer.from(data)
  return ArrayBuffer.isView(data) ? Buffer.from(data.buffer, data.byteOffset, data.byteLength) : Buffer.from(data)
}
