export interface RepositoryName {
  readonly owner: string
  readonly name: string
}

/** The web pages that belong to the address of a GitHub API: those of github.com, of a domain of ghe.com, or of an Enterprise server itself. */
export function githubUrl(apiUrl: string): string {
  const { protocol, host } = URL.parse(apiUrl) ?? { protocol: 'https:', host: '' }
  return `${protocol}//${host.replace(/^api\.(github\.com|[a-z0-9-]+\.ghe\.com)$/, '$1')}`
}

/** Which repository a URL names, where it is one of the GitHub with these web pages. */
export function repositoryOf(text: string, github: string): RepositoryName | undefined {
  const url = URL.parse(text)
  const [, owner, name] = /^\/([\w-]+)\/([\w.-]+?)(?:\.git)?\/?$/.exec(url?.pathname ?? '') ?? []
  return owner === undefined || name === undefined || url === null || originFrom(url) !== github ? undefined : { owner, name }
}

/** Scheme and host. */
export const originFrom = (url: URL): string => `${url.protocol}//${url.host}`
