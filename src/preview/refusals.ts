import { stat } from 'node:fs/promises'
import type { IncomingHttpHeaders } from 'node:http'
import { posix } from 'node:path'

/** Names under which previews are asked for. */
export interface Hosts {
  /** `{label}.localhost`, and below this domain where there is one. */
  readonly domain: string | undefined
  /** Names without a thread in them, beside those of loopback. */
  readonly names: readonly string[]
}

/** The host that a request names. */
export interface Host {
  /** As it came, in lower case, with its port. */
  readonly name: string
  /** The label that stands for a thread. */
  readonly label: string | undefined
  /** What pages of this very host have as their origin. */
  readonly origins: readonly string[]
}

const LOOPBACK = new Set(['localhost', '127.0.0.1', '[::1]'])
/** What a label of a host name may be (RFC 1123). */
export const LABEL = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/

/** `undefined` where previews have no such name: a foreign one may be another's that leads here (DNS rebinding). */
export function hostOf(header: string | undefined, { domain, names }: Hosts): Host | undefined {
  const name = header?.toLowerCase() ?? ''
  const bare = name.replace(/:\d{1,5}$/, '')
  const origins = [`http://${name}`, `https://${name}`]
  for (const parent of ['localhost', ...(domain === undefined ? [] : [domain])]) {
    if (!bare.endsWith(`.${parent}`)) continue
    const label = bare.slice(0, -parent.length - 1)
    return LABEL.test(label) ? { name, label, origins } : undefined
  }
  return LOOPBACK.has(bare) || bare === domain || names.includes(bare) ? { name, label: undefined, origins } : undefined
}

interface Asked {
  readonly url: string
  readonly headers: IncomingHttpHeaders
  readonly host: Host
  readonly workTree: string
  readonly caches: readonly string[]
}

export interface Refusal {
  readonly status: 400 | 403
  readonly why: string
}

const forbidden = (why: string): Refusal => ({ status: 403, why })
const outside = forbidden('Files outside of the site are not served.')
/** Folders whose name begins with a dot and whose files pages ask for. */
const DOTTED = new Set(['.well-known', '.vite', '.astro', '.pnpm', '.svelte-kit', '.nuxt', '.vitepress', '.react-router'])
/** In lower case; what serves them takes a dot for an end too. */
const EDITORS = /\/__(open-in-editor|open-stack-frame|open-stack-frame-in-editor|launch-editor|nextjs_[\w-]+)(?=[/.]|$)/

/**
 * What no page of a site asks for: other people's pages asking, files outside of the site, hidden ones, and an editor of the machine
 * that serves it. The version of the dev server behind is the site's own, holes and all, so it is not left to that.
 */
export async function refusalOf({ url, headers, host, workTree, caches }: Asked): Promise<Refusal | undefined> {
  const { origin, 'sec-fetch-site': from, 'sec-fetch-mode': mode } = headers
  if (origin !== undefined && !host.origins.includes(origin)) return forbidden('Pages of another origin may not ask for this.')
  if ((from === 'cross-site' || from === 'same-site') && mode !== 'navigate') return forbidden('Pages of another site may not ask for this.')
  const end = url.indexOf('?')
  const [raw, query] = end < 0 ? [url, ''] : [url.slice(0, end), url.slice(end + 1)]
  const [path, asked] = [normalised(raw), decoded(query)]
  if (path === undefined || asked === undefined) return { status: 400, why: 'The address cannot be read.' }
  if (EDITORS.test(path.toLowerCase())) return forbidden('Editors are not opened from here.')
  const [file, module] = [behind(path, '/@fs/'), behind(path, '/@id/')]
  const folder = [workTree, ...caches].find((each) => file?.startsWith(`${each}/`) === true)
  if (file !== undefined && folder === undefined) return outside
  const shown = file === undefined || folder === undefined ? path : file.slice(folder.length)
  if (shown.split('/').some((part) => part.startsWith('.') && !DOTTED.has(part))) return forbidden('Hidden files are not served.')
  if (file === undefined && (module !== undefined || query !== '') && (await isElsewhere(module ?? path, workTree))) return outside
  // Images are made of files that a query names.
  const inQuery = behind(asked, '/@fs/')?.split(/[?&#]/)[0]
  if (inQuery !== undefined && ![workTree, ...caches].some((each) => inQuery.startsWith(`${each}/`))) return outside
  return undefined
}

/** The path as whoever serves it may read it, or `undefined` where it can be read in two ways. */
function normalised(raw: string): string | undefined {
  let path: string
  try {
    path = decodeURIComponent(raw)
  } catch {
    return undefined
  }
  // oxlint-disable-next-line no-control-regex -- they are what is looked for
  if (!path.startsWith('/') || /[\u0000-\u001f\\#]|%(2e|2f|5c|00|25)/i.test(path) || path.split('/').includes('..')) return undefined
  return posix.normalize(path)
}

function decoded(query: string): string | undefined {
  try {
    return decodeURIComponent(query)
  } catch {
    return undefined
  }
}

/** The path that follows a marker of Vite, wherever it stands: a site may have a base before it. */
function behind(path: string, marker: string): string | undefined {
  const at = path.indexOf(marker)
  return at < 0 ? undefined : posix.normalize(`/${path.slice(at + marker.length).replace(/^file:/, '')}`)
}

/** Vite takes a path that is not one of the site's for one of the machine. */
async function isElsewhere(path: string, workTree: string): Promise<boolean> {
  const is = (file: string): Promise<boolean> =>
    stat(file).then(
      (found) => found.isFile(),
      () => false,
    )
  return (await is(path)) && !(await is(`${workTree}${path}`)) && !(await is(`${workTree}/public${path}`))
}
