import { createHash, createPublicKey } from 'node:crypto'
import * as z from 'zod'
import { messageOf } from '../../observe/text.ts'
import { BadPrivateKey, toPkcs8 } from '../../vault/pkcs8.ts'
import type { Vault } from '../../vault/vault.ts'
import { appFields, readApp, type App } from '../github/api/app.ts'
import { NoAccess } from '../github/api/api.ts'
import { GitHubBusy, GitHubRefused } from '../github/api/refusals.ts'
import type { Caller } from './access.ts'
import type { Desk } from './desk.ts'
import { invalidField, Problem } from './problem.ts'
import { route, type Route } from './route.ts'

const Secret = z.string().min(16, 'must be at least 16 characters').max(500)
const ConfigBody = z
  .strictObject({
    appId: z
      .union([
        z.int().positive().transform(String),
        z.string().regex(/^(\d{1,20}|Iv[\w.]{5,60})$/, 'must be the App ID, a number, or the Client ID, which begins with Iv'),
      ])
      .optional(),
    privateKey: z
      .string()
      .max(20_000, 'must be an RSA private key in PEM, as GitHub lets you download it')
      .optional()
      .describe('As GitHub lets you download it, PEM.'),
    webhookSecret: z
      .union([Secret.transform((secret) => [secret]), z.array(Secret).min(1, 'must hold at least one secret').max(3, 'must hold at most three secrets')])
      .optional()
      .describe('One, or several while one is being replaced: any of them may have signed a webhook.'),
    installationId: z.int().positive().nullable().optional().describe('Where there is only one; else each repository is asked for its own.'),
  })
  .refine((body) => Object.keys(body).length > 0, 'must hold at least one of appId, privateKey, webhookSecret, installationId')
  .meta({ id: 'Config' })

const ConfigAnswer = z
  .object({
    success: z.literal(true),
    configured: z.boolean().describe('App, key and secret are all there.'),
    appId: z.string().optional(),
    installationId: z.int().optional(),
    privateKey: z.object({ fingerprint: z.string() }).optional().describe('As GitHub shows it beside its keys.'),
    webhookSecrets: z.int().describe('How many there are.'),
    slug: z.string().optional().describe('The name of the app in mentions, where GitHub could be asked.'),
    problem: z.string().optional().describe('Why GitHub does not know us as this app.'),
  })
  .meta({ id: 'ConfigShown' })

const ANSWERS = { 200: { about: 'What may be shown of it; never a secret.', schema: ConfigAnswer } } as const

/** Routes of the vault: the credentials of the GitHub App. */
export function configRoutes(desk: Desk): readonly Route[] {
  return [
    route({
      method: 'GET',
      url: '/config',
      operationId: 'getConfig',
      summary: 'What is known of the GitHub App',
      role: 'administer',
      answers: ANSWERS,
      serve: async ({ c, caller }) => c.json(await shown(vaultOf(desk, caller), desk)),
    }),
    route({
      method: 'POST',
      url: '/config',
      operationId: 'setConfig',
      summary: 'Keep credentials of the GitHub App; what is left out stays',
      role: 'administer',
      body: ConfigBody,
      answers: ANSWERS,
      serve: async ({ body: { appId, privateKey, webhookSecret, installationId }, c, caller }) => {
        const vault = vaultOf(desk, caller)
        const key = privateKey === undefined ? undefined : await pkcs8(privateKey)
        await keepApp(
          {
            ...(appId === undefined ? {} : { appId }),
            ...(key === undefined ? {} : { privateKey: key }),
            ...(webhookSecret === undefined ? {} : { webhookSecrets: webhookSecret }),
            ...(installationId === undefined ? {} : { installationId: installationId ?? undefined }),
          },
          vault,
          desk,
        )
        return c.json(await shown(vault, desk))
      },
    }),
    route({
      method: 'DELETE',
      url: '/config',
      operationId: 'deleteConfig',
      summary: 'Forget the GitHub App',
      role: 'administer',
      answers: ANSWERS,
      serve: async ({ c, caller }) => {
        const vault = vaultOf(desk, caller)
        await vault.clear()
        return c.json(await shown(vault, desk))
      },
    }),
  ]
}

/** Keeps what is known of an app, and has it redacted from here on. */
export async function keepApp(app: Partial<App>, vault: Vault, { github }: Desk): Promise<void> {
  for (const secret of [app.privateKey ?? '', ...(app.webhookSecrets ?? [])]) if (secret !== '') github.keepSecret(secret)
  await vault.set(appFields(app))
  github.issues?.appChanged()
}

/** Credentials are for whoever runs the service. @throws Problem 403 or 409 */
function vaultOf({ github }: Desk, { clientId, userId }: Caller): Vault {
  if (clientId !== undefined || userId !== undefined)
    throw new Problem(403, 'Not allowed', 'Credentials are for callers that are not bound to a client or user.')
  if (github.vault === undefined)
    throw new Problem(409, 'Not possible here', 'VAULT_KEY is not set, so no credentials can be kept. Set it to 32 random bytes: openssl rand -base64 32')
  return github.vault
}

async function pkcs8(pem: string): Promise<string> {
  try {
    return await toPkcs8(pem)
  } catch (error) {
    if (error instanceof BadPrivateKey) throw invalidField('#/privateKey', error.message)
    throw error
  }
}

async function shown(vault: Vault, { github, tools }: Desk): Promise<z.infer<typeof ConfigAnswer>> {
  const [appId, privateKey, secrets, installationId] = await Promise.all(
    ['appId', 'privateKey', 'webhookSecret', 'installationId'].map((field) => vault.get(field)),
  )
  const configured = (await readApp(vault)) !== undefined
  const itself = configured ? await lookedUp(installationId, github, tools) : undefined
  return {
    success: true,
    configured,
    ...(appId === undefined ? {} : { appId }),
    ...(installationId === undefined ? {} : { installationId: Number(installationId) }),
    ...(privateKey === undefined ? {} : { privateKey: { fingerprint: fingerprintOf(privateKey) } }),
    webhookSecrets: secrets === undefined ? 0 : JSON.parse(secrets).length,
    ...(itself === undefined ? {} : 'problem' in itself ? { problem: itself.problem } : { slug: itself.slug }),
  }
}

/** What GitHub says of us, or why it does not know us. */
async function lookedUp(
  installationId: string | undefined,
  { api }: Desk['github'],
  { redact }: Desk['tools'],
): Promise<{ readonly slug: string } | { readonly problem: string }> {
  try {
    const itself = await api.itself()
    if (installationId !== undefined) await api.asApp('GET /app/installations/{installation_id}', { installation_id: Number(installationId) })
    return itself
  } catch (error) {
    if (error instanceof GitHubRefused && error.status === 404)
      return {
        problem:
          installationId === undefined
            ? 'GitHub knows no app with this id and key.'
            : `GitHub knows no app with this id, or no installation ${installationId} of it.`,
      }
    if (error instanceof GitHubRefused && error.status === 401) return { problem: 'GitHub does not take the private key for this app.' }
    if (error instanceof GitHubBusy || error instanceof GitHubRefused || error instanceof NoAccess) return { problem: redact(messageOf(error)) }
    throw error
  }
}

/** SHA-256 of the public key (SubjectPublicKeyInfo, DER), base64. */
const fingerprintOf = (pem: string): string =>
  `SHA256:${createHash('sha256')
    .update(createPublicKey(pem).export({ type: 'spki', format: 'der' }))
    .digest('base64')}`
