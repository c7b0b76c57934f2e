/** How this machine reaches the network: the proxies in the environment of the service. */
export interface MachineProxy {
  readonly http: URL | undefined
  readonly https: URL | undefined
  /** Hosts that are reached without them. */
  readonly except: readonly string[]
}

export function machineProxy(env: Readonly<Record<string, string>>): MachineProxy {
  const url = (...names: readonly string[]): URL | undefined => {
    const text = names.map((name) => env[name]).find((value) => value !== undefined && value !== '')
    return text === undefined ? undefined : (URL.parse(text.includes('://') ? text : `http://${text}`) ?? undefined)
  }
  const except = (env['no_proxy'] ?? env['NO_PROXY'] ?? '').split(',').map((entry) =>
    entry
      .trim()
      .toLowerCase()
      .replace(/^\*?\./, ''),
  )
  // Programs read the small spelling of HTTP_PROXY first, and some read no other.
  return { http: url('http_proxy', 'HTTP_PROXY'), https: url('https_proxy', 'HTTPS_PROXY'), except: except.filter((entry) => entry !== '') }
}

/** The proxy that leads to a host, if one does. */
export function proxyFor({ http, https, except }: MachineProxy, scheme: 'http' | 'https', host: string): URL | undefined {
  if (except.some((entry) => entry === '*' || host === entry || host.endsWith(`.${entry}`))) return undefined
  return scheme === 'http' ? http : https
}

/** What a proxy wants to be shown, where its address holds a name and a password. */
export function proxyAuthorization({ username, password }: URL): Record<string, string> {
  if (username === '' && password === '') return {}
  return { 'proxy-authorization': `Basic ${Buffer.from(`${decodeURIComponent(username)}:${decodeURIComponent(password)}`).toString('base64')}` }
}
