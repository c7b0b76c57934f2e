import { randomBytes } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { expect, it } from 'vitest'
import { Access } from './access.ts'
import { hostOf } from './refusals.ts'

const access = new Access(randomBytes(32), true)
const host = (label: string) => hostOf(`${label}.preview.example.com`, { domain: 'preview.example.com', names: [] })!
const asking = (url: string, cookie?: string) => ({ url, headers: cookie === undefined ? {} : { cookie } }) as IncomingMessage

it('a link becomes a cookie of its host, and the address is cleaned', () => {
  const { path } = access.link('thread-a', 60_000)
  const entered = access.enter(asking(path), host('thread-a'))
  expect(entered).toMatchObject({ status: 303, headers: { location: '/', 'referrer-policy': 'no-referrer', 'cache-control': 'no-store' } })
  const cookie = String(entered?.headers['set-cookie'])
  expect(cookie).toMatch(/^__Host-branchline-preview=[\w.-]+; Path=\/; HttpOnly; Max-Age=\d+; Secure; SameSite=None; Partitioned$/)
  const [shown = ''] = cookie.split(';')
  expect(access.enter(asking('/about', `other=1; ${shown}`), host('thread-a'))).toBeUndefined()
  expect(access.enter(asking('/about', shown), host('thread-b'))).toMatchObject({ status: 403 })
})

it('on this machine the cookie is kept in a frame too, as the console shows previews; elsewhere without TLS browsers would not take it', () => {
  const plain = new Access(randomBytes(32), false)
  const enter = (name: string) => {
    const asked = hostOf(name, { domain: 'example.com', names: [] })!
    return String(plain.enter(asking(plain.link('thread-a', 60_000).path), asked)?.headers['set-cookie'])
  }
  expect(enter('thread-a.localhost:4321')).toMatch(/^branchline-preview=.*; Secure; SameSite=None; Partitioned$/)
  expect(enter('thread-a.example.com')).toMatch(/^branchline-preview=.*; SameSite=Lax$/)
})

it('without a link, with one of another thread, one that has expired, or one that somebody has changed, nothing is shown', () => {
  const { path } = access.link('thread-a', 60_000)
  expect(access.enter(asking('/'), host('thread-a'))).toMatchObject({ status: 403 })
  expect(access.enter(asking(path), host('thread-b'))).toMatchObject({ status: 403 })
  expect(access.enter(asking(access.link('thread-a', -1).path), host('thread-a'))).toMatchObject({ status: 403 })
  expect(access.enter(asking(new Access(randomBytes(32), true).link('thread-a', 60_000).path), host('thread-a'))).toMatchObject({ status: 403 })
  const token = path.indexOf('=') + 1
  for (let at = token; at < path.length; at += 1) {
    const changed = `${path.slice(0, at)}${path[at] === '1' ? '2' : '1'}${path.slice(at + 1)}`
    expect(access.enter(asking(changed), host('thread-a'))).toMatchObject({ status: 403 })
  }
})

it('no link is for whichever thread was active last', () => {
  const bare = hostOf('preview.example.com', { domain: 'preview.example.com', names: [] })!
  expect(access.enter(asking(access.link('', 60_000).path), bare)).toMatchObject({ status: 403 })
})
