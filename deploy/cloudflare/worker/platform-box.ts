import { githubUrl } from '../../../src/git/github-url.ts'
import { messageOf } from '../../../src/observe/text.ts'
import { BoxFull, type Box } from './box.ts'
import { nameOf } from './name.ts'
import type { Tools } from './tools.ts'
import { MODEL_HOSTS } from './outbound.ts'

const PORT = 8080
/** Should everybody forget it, the platform ends it after so long. */
const FORGOTTEN_MS = 5 * 60_000
/** Where the platform puts the certificate that requests on their way out are signed with. */
const CERTIFICATE = '/etc/cloudflare/certs/cloudflare-containers-ca.crt'
/** What the platform says where all instances are in use. */
const FULL = /maximum number of running container instances|no container instance available/i

/** A container of Cloudflare. */
export function platformBox(ctx: DurableObjectState, { settings, log }: Tools): Box {
  const { container } = ctx
  if (container === undefined) throw new Error('no containers are configured (wrangler.jsonc: containers)')
  return {
    takesPass: true,
    running: async () => container.running,
    start: async (env, { repository, pass }) => {
      const hosts = [new URL(githubUrl(settings.GITHUB_API_URL)).host, ...(settings.model === undefined ? [] : MODEL_HOSTS(settings))]
      const outbound = ctx.exports.Outbound({ props: { container: nameOf(ctx), repository } })
      try {
        for (const host of hosts) await container.interceptOutboundHttps(host, outbound) // before anything can go out
        container.start({
          enableInternet: true,
          env: {
            ...env,
            NODE_EXTRA_CA_CERTS: CERTIFICATE, // beside those of the machine
            GIT_SSL_CAINFO: CERTIFICATE,
            ...(settings.model === undefined ? {} : { [settings.model.name]: pass }),
          },
        })
        await container.setInactivityTimeout(FORGOTTEN_MS)
      } catch (error) {
        throw FULL.test(messageOf(error)) ? new BoxFull(messageOf(error)) : error
      }
      container.monitor().then(
        () => log.info({ event: 'container.ended' }),
        (error: unknown) => log.warn({ event: 'container.ended', error: messageOf(error) }),
      )
    },
    fetch: async (request) => container.getTcpPort(PORT).fetch(request),
    stop: async () => {
      if (container.running) await container.destroy()
    },
  }
}
