import { githubUrl } from '../../../src/git/github-url.ts'
import { messageOf } from '../../../src/observe/text.ts'
import { nameOf } from './name.ts'
import { modelHosts } from './outbound.ts'
import type { Runtime } from './runtime.ts'
import type { Settings } from './settings.ts'

const PORT = 8080
/** Should everybody forget it, the platform ends it after so long. */
const FORGOTTEN_MS = 5 * 60_000
/** Where the platform puts the certificate that requests on their way out are signed with. */
const CERTIFICATE = '/etc/cloudflare/certs/cloudflare-containers-ca.crt'

/** A container of Cloudflare. */
export function platformRuntime(ctx: DurableObjectState, settings: Settings): Runtime {
  const { container } = ctx
  if (container === undefined) throw new Error('no containers are configured (wrangler.jsonc: containers)')
  return {
    takesPasses: true,
    running: async () => container.running,
    start: async (env, { repository, passes, onEnd }) => {
      const outbound = ctx.exports.Outbound({ props: { container: nameOf(ctx), repository } })
      const hosts = [new URL(githubUrl(settings.GITHUB_API_URL)).host, ...(settings.model === undefined ? [] : modelHosts(settings))]
      for (const host of hosts) await container.interceptOutboundHttps(host, outbound) // before anything can go out
      const model = settings.model === undefined ? {} : { [settings.model.name]: passes.model }
      // Node takes the certificate beside those of the machine, git in their place: it is asked for the repository's host alone.
      container.start({ enableInternet: true, env: { ...env, ...model, NODE_EXTRA_CA_CERTS: CERTIFICATE, GIT_SSL_CAINFO: CERTIFICATE } })
      container.monitor().then(
        () => onEnd('it has ended'),
        (error: unknown) => onEnd(messageOf(error)),
      )
      await container.setInactivityTimeout(FORGOTTEN_MS)
    },
    fetch: async (request) => container.getTcpPort(PORT).fetch(request),
    stop: async () => {
      if (container.running) await container.destroy()
    },
  }
}
