import { randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { ClientId, ProjectId, ThreadId, UserId } from '../../command/ids.ts'
import { ThreadLinks } from './links.ts'

const thread = { clientId: ClientId.parse('acme'), userId: UserId.parse('me'), projectId: ProjectId.parse('project'), threadId: ThreadId.parse('hello') }
const grant = { thread, role: 'view', name: 'Anna', expiresAt: Date.now() + 60_000 } as const

describe('the token of a link', () => {
  const links = new ThreadLinks(randomBytes(32))

  it('says who calls, in which role and for which thread', () => {
    expect(links.caller(links.token(grant))).toEqual({ name: 'Anna', role: 'view', clientId: 'acme', userId: 'me', thread, expiresAt: grant.expiresAt })
  })

  it('holds for a while, and under this key alone', () => {
    expect(links.caller(links.token({ ...grant, expiresAt: Date.now() - 1 }))).toBeUndefined()
    expect(new ThreadLinks(randomBytes(32)).caller(links.token(grant))).toBeUndefined()
  })

  it('is worth nothing once a letter of it is another', () => {
    const token = links.token(grant)
    for (let at = 0; at < token.length; at += 1) {
      const other = token[at] === 'A' ? 'B' : 'A'
      expect(links.caller(token.slice(0, at) + other + token.slice(at + 1))).toBeUndefined()
    }
    const [, , signature] = token.split('.')
    const grown = Buffer.from(JSON.stringify({ c: 'acme', u: 'me', p: 'project', t: 'other', r: 'work', n: 'Anna', e: grant.expiresAt })).toString('base64url')
    expect(links.caller(`link.${grown}.${signature}`)).toBeUndefined()
  })
})
