import { z } from 'zod'
import { app, installation, repository } from './accounts.ts'
import { bearer, mint } from './access.ts'
import { NOT_FOUND, refuse, type Operations } from './operation.ts'
import { findRepository, GRANTED, makeApp, type Delivery } from './state.ts'

const wanted = z
  .object({
    repositories: z.array(z.string()).optional(),
    repository_ids: z.array(z.number()).optional(),
    permissions: z.record(z.string(), z.string()).optional(),
  })
  .optional()
const PAGE = 30

const item = (delivery: Delivery) => ({
  id: delivery.id,
  guid: delivery.guid,
  delivered_at: delivery.deliveredAt,
  redelivery: delivery.redelivery,
  duration: delivery.duration,
  status: delivery.status,
  status_code: delivery.statusCode,
  event: delivery.event,
  action: delivery.action,
  installation_id: delivery.installationId,
  repository_id: delivery.repositoryId,
  throttled_at: null,
})
const good = ({ statusCode }: Delivery): boolean => statusCode >= 200 && statusCode < 300

/** What an app asks about itself. */
export const appOperations: Operations = {
  'apps/get-authenticated': ({ state }) => ({ status: 200, json: { ...app(state), installations_count: 1 } }),

  'apps/create-from-manifest': async ({ state, params }) => {
    const manifest = state.manifests.get(params['code'] ?? '')
    if (manifest === undefined) return NOT_FOUND
    state.manifests.delete(params['code'] ?? '')
    state.app = await makeApp(state.next, manifest.name ?? 'Branchline', manifest.default_permissions ?? GRANTED, state.app.installationId)
    state.webhookUrl = manifest.hook_attributes?.url ?? state.webhookUrl
    const { clientId, clientSecret, privateKey, webhookSecret } = state.app
    return { status: 201, json: { ...app(state), client_id: clientId, client_secret: clientSecret, webhook_secret: webhookSecret, pem: privateKey } }
  },

  'apps/get-installation': ({ state, params }) => {
    const id = Number(params['installation_id'])
    return state.repositories.some(({ installationId }) => installationId === id) ? { status: 200, json: installation(state, id) } : NOT_FOUND
  },

  'apps/get-repo-installation': ({ state, params }) => {
    const found = findRepository(state, params['owner'] ?? '', params['repo'] ?? '')
    return found === undefined ? NOT_FOUND : { status: 200, json: installation(state, found.installationId) }
  },

  'apps/create-installation-access-token': ({ state, params, body }) => {
    const id = Number(params['installation_id'])
    if (!state.repositories.some(({ installationId }) => installationId === id)) return NOT_FOUND
    const token = mint(state, id, wanted.parse(body) ?? {})
    if (typeof token === 'string') return refuse(422, token)
    const repositories = state.repositories.filter(({ owner, name }) => token.repositories.includes(`${owner}/${name}`)).map((one) => repository(state, one))
    const rest = token.selected ? { repository_selection: 'selected', repositories } : { repository_selection: 'all' }
    return { status: 201, json: { token: token.token, expires_at: token.expiresAt, permissions: token.permissions, ...rest } }
  },

  'apps/revoke-installation-access-token': ({ state, request }) => {
    const token = bearer(state, request.headers.authorization)
    if (token !== undefined) token.revoked = true
    return { status: 204 }
  },

  'apps/list-webhook-deliveries': ({ state, query }) => {
    const size = Number(query.get('per_page') ?? PAGE)
    const before = Number(query.get('cursor')?.replace(/^v1_/, '') ?? Number.MAX_SAFE_INTEGER)
    const status = query.get('status')
    const all = state.deliveries.filter((one) => one.id < before && (status === null || (status === 'success') === good(one))).toReversed()
    const shown = all.slice(0, size)
    const next = new URLSearchParams({ ...Object.fromEntries(query), cursor: `v1_${shown.at(-1)?.id}` })
    const headers = all.length > size ? { link: `<${state.url}/app/hook/deliveries?${next.toString()}>; rel="next"` } : {}
    return { status: 200, json: shown.map(item), headers }
  },

  'apps/get-webhook-delivery': ({ state, params }) => {
    const found = state.deliveries.find(({ id }) => id === Number(params['delivery_id']))
    if (found === undefined) return NOT_FOUND
    const { url, headers, payload, answer } = found
    return { status: 200, json: { ...item(found), url, request: { headers, payload }, response: { headers: {}, payload: answer } } }
  },
}
