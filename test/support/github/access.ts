import { randomBytes, verify } from 'node:crypto'
import { z } from 'zod'
import { findRepository, fullName, type Permissions, type Repository, type State, type Token } from './state.ts'

const TOLERANCE_S = 60
const LONGEST_S = 600
const HOUR_MS = 3_600_000
const claims = z.object({ iat: z.number(), exp: z.number(), iss: z.union([z.string(), z.number()]) })
const part = (text: string): unknown => JSON.parse(Buffer.from(text, 'base64url').toString('utf8'))

/** Why the token of an app does not count; nothing where it does. */
export function appTokenFault(state: State, header: string | undefined): string | undefined {
  const [, jwt = ''] = /^bearer (\S+)$/i.exec(header ?? '') ?? []
  const [head = '', body = '', signature = ''] = jwt.split('.')
  if (signature === '') return 'A JSON web token could not be decoded'
  try {
    if (z.object({ alg: z.string() }).parse(part(head)).alg !== 'RS256') return 'A JSON web token could not be decoded'
    const signed = verify('sha256', Buffer.from(`${head}.${body}`), state.app.publicKey, Buffer.from(signature, 'base64url'))
    if (!signed) return 'A JSON web token could not be decoded'
    const { iat, exp, iss } = claims.parse(part(body))
    const seconds = Date.now() / 1000
    if (![String(state.app.id), state.app.clientId].includes(String(iss))) return 'Integration not found'
    if (exp - iat > LONGEST_S + TOLERANCE_S || exp > seconds + LONGEST_S + TOLERANCE_S) return "'Expiration time' claim ('exp') is too far in the future"
    if (exp < seconds) return "'Expiration time' claim ('exp') must be a numeric value representing the future time at which the assertion expires"
    if (iat > seconds + TOLERANCE_S) return "'Issued at' claim ('iat') must be an Integer representing the time that the assertion was issued"
    return undefined
  } catch {
    return 'A JSON web token could not be decoded'
  }
}

export interface Wanted {
  readonly repositories?: readonly string[] | undefined
  readonly repository_ids?: readonly number[] | undefined
  readonly permissions?: Readonly<Record<string, string>> | undefined
}

const level = (text: string): 'read' | 'write' => (text === 'read' ? 'read' : 'write')
const covers = (granted: Permissions, name: string, wanted: string): boolean => granted[name] === 'write' || granted[name] === wanted

/** A new installation token, or what GitHub says against it. */
export function mint(state: State, installationId: number, { repositories, repository_ids: ids, permissions }: Wanted): Token | string {
  const all = state.repositories.filter((repository) => repository.installationId === installationId)
  const selected = repositories !== undefined || ids !== undefined
  const chosen = selected ? all.filter(({ id, name }) => repositories?.includes(name) === true || ids?.includes(id) === true) : all
  if (selected && chosen.length < (repositories?.length ?? 0) + (ids?.length ?? 0))
    return 'There is at least one repository that does not exist or is not accessible to the parent installation.'
  const wanted = Object.entries(permissions ?? state.app.permissions)
  if (!wanted.every(([name, value]) => covers(state.app.permissions, name, value))) return 'The permissions requested are not granted to this installation.'
  const token: Token = {
    // As long, and of such parts, as GitHub's are since 2026.
    token: `ghs_${state.app.id}_CANARY${randomBytes(24).toString('hex')}.${randomBytes(180).toString('base64url')}.${randomBytes(150).toString('base64url')}`,
    installationId,
    repositories: chosen.map(fullName),
    selected,
    permissions: { ...Object.fromEntries(wanted.map(([name, value]) => [name, level(value)])), metadata: 'read' },
    expiresAt: new Date(Date.now() + HOUR_MS).toISOString(),
    revoked: false,
  }
  state.tokens.push(token)
  return token
}

export function tokenOf(state: State, secret: string): Token | undefined {
  return state.tokens.find(({ token, revoked, expiresAt }) => token === secret && !revoked && Date.parse(expiresAt) > Date.now())
}

/** The token of a request, `token` being the older word for `bearer`. */
export function bearer(state: State, header: string | undefined): Token | undefined {
  const [, secret] = /^(?:bearer|token) (\S+)$/i.exec(header ?? '') ?? []
  return secret === undefined ? undefined : tokenOf(state, secret)
}

/** A repository the token reaches. */
export function reached(state: State, token: Token, owner: string, name: string): Repository | undefined {
  const repository = findRepository(state, owner, name)
  return repository !== undefined && token.repositories.includes(fullName(repository)) ? repository : undefined
}

export const allows = (token: Token, name: string, wanted: 'read' | 'write'): boolean => covers(token.permissions, name, wanted)
