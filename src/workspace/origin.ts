import { existsSync } from 'node:fs'
import { isIP } from 'node:net'
import { fileURLToPath } from 'node:url'
import type { Authorize, Remote } from '../git/remote.ts'
import { originFrom, repositoryOf, type RepositoryName } from '../git/github-url.ts'
import { messageOf } from '../observe/text.ts'

/** A repository URL that is not taken; the message says what would be right. */
export class BadRepositoryUrl extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'BadRepositoryUrl'
  }
}

/** The GitHub that repositories of the operator are on, and who gives access to one of them there. */
export interface GitHubAccess {
  /** Its web pages, such as https://github.com. */
  readonly url: string
  readonly authorize?: (repository: RepositoryName) => Authorize | undefined
}

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
  // The operator has said where GitHub is, so that it may be a private name.
  if (originFrom(url) === github.url)
    return { url: plain(url), protocols: url.protocol === 'http:' ? 'https:http' : 'https', authorization: authorization(url, github) }
  if (url.protocol !== 'https:') throw new BadRepositoryUrl('must begin with https://')
  if (url.port !== '') throw new BadRepositoryUrl('must not name a port')
  if (isIP(url.hostname.replaceAll(/[[\]]/g, '')) !== 0 || !HOST.test(url.hostname) || PRIVATE_NAMES.test(url.hostname)) {
    throw new BadRepositoryUrl('must name a public host, such as github.com, not an address or a private name')
  }
  return { url: plain(url), protocols: 'https', authorization: authorization(url, github), publicOnly: true }
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

/** Credentials in the URL, else those of GitHub for one of its repositories. */
function authorization(url: URL, github: GitHubAccess): string | Authorize | undefined {
  if (url.password !== '' || url.username !== '') return basic(decoded(url.username), decoded(url.password))
  const repository = repositoryOf(url.href, github.url)
  return repository === undefined ? undefined : github.authorize?.(repository)
}

/** The value of an `Authorization` header (RFC 7617). */
export const basic = (user: string, password: string): string => `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`
