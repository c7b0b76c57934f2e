import { existsSync } from 'node:fs'
import { isIP } from 'node:net'
import { fileURLToPath } from 'node:url'
import type { Remote } from '../git/remote.ts'
import { messageOf } from '../observe/text.ts'

/** A repository URL that is not taken; the message says what would be right. */
export class BadRepositoryUrl extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'BadRepositoryUrl'
  }
}

/** The token of the operator, and the one host that it is shown to. */
export interface GitHubAccess {
  readonly host: string
  readonly token: string | undefined
}

/** The host of repositories that belongs to the address of a GitHub API: github.com, or an Enterprise server itself. */
export const githubHost = (apiUrl: string): string => (URL.parse(apiUrl)?.host ?? '').replace(/^api\.github\.com$/, 'github.com')

const HOST = /^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)+$/
const PATH = /^(\/[A-Za-z0-9._~+@-]+)+\/?$/
const PRIVATE_NAMES = /(^|\.)(localhost|local|internal|lan|home|corp|intranet)$/

/**
 * A repository that a request names: https, a public host name, a plain path, nothing else. Rebuilt from its parts.
 *
 * @throws BadRepositoryUrl
 */
export function requestedOrigin(text: string, github: GitHubAccess): Remote {
  const url = parse(text)
  if (url.username !== '' || url.password !== '') {
    throw new BadRepositoryUrl('must not hold a user name, password or token; the operator gives credentials by GITHUB_TOKEN or REPO_URL')
  }
  if (url.protocol !== 'https:') throw new BadRepositoryUrl('must begin with https://')
  if (url.port !== '') throw new BadRepositoryUrl('must not name a port')
  if (isIP(url.hostname.replaceAll(/[[\]]/g, '')) !== 0 || !HOST.test(url.hostname) || PRIVATE_NAMES.test(url.hostname)) {
    throw new BadRepositoryUrl('must name a public host, such as github.com, not an address or a private name')
  }
  return { url: plain(url), protocols: 'https', authorization: authorization(url, github), publicOnly: url.host !== github.host }
}

/**
 * The repository that the operator named in `REPO_URL`: https, or on this machine http or a folder; credentials in it
 * are taken out and never stored.
 *
 * @throws BadRepositoryUrl
 */
export function operatorOrigin(text: string, github: GitHubAccess): Remote {
  if (text.startsWith('/')) return localOrigin(text)
  if (URL.parse(text) === null) throw new BadRepositoryUrl('must be an https:// URL, or the absolute path of a local repository')
  const url = parse(text)
  if (url.protocol === 'file:') return localOrigin(fileURLToPath(url))
  const loopback = ['127.0.0.1', 'localhost', '[::1]'].includes(url.hostname)
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && loopback))
    throw new BadRepositoryUrl('must be an https:// URL, or the absolute path of a local repository')
  return { url: plain(url), protocols: url.protocol === 'http:' ? 'https:http' : 'https', authorization: authorization(url, github) }
}

function localOrigin(path: string): Remote {
  if (!existsSync(path)) throw new BadRepositoryUrl(`${path} does not exist`)
  return { url: path, protocols: 'file' }
}

function parse(text: string): URL {
  const url = URL.parse(text)
  if (url === null) throw new BadRepositoryUrl('must be a URL, such as https://github.com/owner/repository (ssh addresses are not taken)')
  if (url.search !== '' || url.hash !== '') throw new BadRepositoryUrl('must not hold a query or a fragment')
  if (url.protocol !== 'file:' && !PATH.test(url.pathname)) throw new BadRepositoryUrl('must hold a plain path, such as /owner/repository')
  return url
}

const plain = (url: URL): string => `${url.protocol}//${url.host}${url.pathname.replace(/\/$/, '')}`

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch (error) {
    throw new BadRepositoryUrl(`holds a user name or password that is not URL-encoded (${messageOf(error)})`)
  }
}

/** Credentials in the URL, else for GitHub the token of the operator. */
function authorization(url: URL, { host, token }: GitHubAccess): string | undefined {
  const basic = (user: string, password: string): string => `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`
  if (url.password !== '' || url.username !== '') return basic(decoded(url.username), decoded(url.password))
  return url.host === host && token !== undefined ? basic('x-access-token', token) : undefined
}
