import { WorkerEntrypoint } from 'cloudflare:workers'
import { githubUrl, type RepositoryName } from '../../../src/git/github-url.ts'
import { readSettings, type Settings } from './settings.ts'

export interface OutboundProps {
  /** The name of the container's object. */
  readonly container: string
  /** The only one that its git may reach with a credential. */
  readonly repository: RepositoryName
}

const baseOf = ({ passedOn }: Settings): URL => new URL(passedOn['ANTHROPIC_BASE_URL'] ?? 'https://api.anthropic.com')

/** Where the model is asked. */
export const modelHosts = (settings: Settings): readonly string[] => [baseOf(settings).host]

/** The paths by which the model is asked: those of the Messages API, behind that of its address. */
const isOfModel = (settings: Settings, { host, pathname }: URL): boolean => {
  const base = baseOf(settings)
  return host === base.host && ['/v1/messages', '/v1/messages/count_tokens'].some((path) => pathname === `${base.pathname.replace(/\/$/, '')}${path}`)
}

/**
 * What a container asks of GitHub and of the model passes here. The pass that the service in it shows becomes the real credential;
 * agents in the container have no pass, so what they ask by themselves goes out as it is.
 */
export class Outbound extends WorkerEntrypoint<Env, OutboundProps> {
  override async fetch(request: Request): Promise<Response> {
    const settings = readSettings(this.env)
    const url = new URL(request.url)
    const { container, repository } = this.ctx.props
    const object = this.env.CONTAINER.getByName(container)
    const passed = new Request(request, { redirect: 'manual' })
    const shown = passIn(request.headers)
    if (shown === undefined || (url.protocol !== 'https:' && settings.LOCAL_CONTAINERS === undefined)) return fetch(passed)
    if (url.host === new URL(githubUrl(settings.GITHUB_API_URL)).host && isGitOf(repository, url.pathname)) {
      const token = await object.tokenFor(shown)
      if (token !== undefined) passed.headers.set('authorization', `Basic ${btoa(`x-access-token:${token}`)}`)
    } else if (settings.model !== undefined && isOfModel(settings, url) && (await object.isModelPass(shown))) {
      const { name, value } = settings.model
      if (name === 'ANTHROPIC_API_KEY') passed.headers.set('x-api-key', value)
      else passed.headers.set('authorization', `Bearer ${value}`)
    }
    return fetch(passed)
  }
}

/** What a request shows: a key, a bearer token, or the password of git's. */
function passIn(headers: Headers): string | undefined {
  const [, kind, value = ''] = /^(Bearer|Basic) ([\w.~+/=-]+)$/.exec(headers.get('authorization') ?? '') ?? []
  if (kind === 'Bearer') return value
  if (kind === 'Basic') {
    try {
      return atob(value).split(':').slice(1).join(':')
    } catch {
      return undefined // it is no base64
    }
  }
  return headers.get('x-api-key') ?? undefined
}

/** The paths by which git fetches and pushes (its documentation of the HTTP protocol), of this repository. */
export function isGitOf({ owner, name }: RepositoryName, pathname: string): boolean {
  const [, its, named, service] = /^\/([\w-]+)\/([\w.-]+?)(?:\.git)?\/(info\/refs|git-upload-pack|git-receive-pack)$/.exec(pathname) ?? []
  return service !== undefined && its?.toLowerCase() === owner.toLowerCase() && named?.toLowerCase() === name.toLowerCase()
}
