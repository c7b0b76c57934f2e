import * as z from 'zod'
import { messageOf } from '../../../observe/text.ts'
import { fingerprintOf, toPkcs8 } from '../../../vault/pkcs8.ts'
import type { Vault } from '../../../vault/vault.ts'
import { NoAccess, type GitHubApi } from './api.ts'
import { readApp, type App } from './app.ts'
import { GitHubBusy, GitHubRefused } from './refusals.ts'

const Secret = z.string().min(16, 'must be at least 16 characters').max(500)
/** What is entered of a GitHub App; what is left out stays as it is. */
export const ConfigBody = z
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
      .union(
        [Secret.transform((secret) => [secret]), z.array(Secret).min(1, 'must hold at least one secret').max(3, 'must hold at most three secrets')],
        'must be a secret of at least 16 characters, or a list of up to three',
      )
      .optional()
      .describe('One, or several while one is being replaced: any of them may have signed a webhook.'),
    installationId: z.int().positive().nullable().optional().describe('Where there is only one; else each repository is asked for its own.'),
  })
  .refine((body) => Object.keys(body).length > 0, 'must hold at least one of appId, privateKey, webhookSecret, installationId')
  .meta({ id: 'Config' })

/** What may be shown of it; never a secret. */
export const ConfigAnswer = z
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

/** What was entered, as it is kept. @throws BadPrivateKey */
export async function appIn({ appId, privateKey, webhookSecret, installationId }: z.infer<typeof ConfigBody>): Promise<Partial<App>> {
  return {
    ...(appId === undefined ? {} : { appId }),
    ...(privateKey === undefined ? {} : { privateKey: await toPkcs8(privateKey) }),
    ...(webhookSecret === undefined ? {} : { webhookSecrets: webhookSecret }),
    ...(installationId === undefined ? {} : { installationId: installationId ?? undefined }),
  }
}

/** What may be shown of the app in a vault, and whether GitHub knows us as it. */
export async function shownConfig(vault: Vault, api: GitHubApi, redact: (text: string) => string): Promise<z.infer<typeof ConfigAnswer>> {
  const [appId, privateKey, secrets, installationId] = await Promise.all(
    ['appId', 'privateKey', 'webhookSecret', 'installationId'].map((field) => vault.get(field)),
  )
  const configured = (await readApp(vault)) !== undefined
  const itself = configured ? await lookedUp(installationId, api, redact) : undefined
  return {
    success: true,
    configured,
    ...(appId === undefined ? {} : { appId }),
    ...(installationId === undefined ? {} : { installationId: Number(installationId) }),
    ...(privateKey === undefined ? {} : { privateKey: { fingerprint: await fingerprintOf(privateKey) } }),
    webhookSecrets: secrets === undefined ? 0 : JSON.parse(secrets).length,
    ...(itself === undefined ? {} : 'problem' in itself ? { problem: itself.problem } : { slug: itself.slug }),
  }
}

/** What GitHub says of us, or why it does not know us. */
async function lookedUp(
  installationId: string | undefined,
  api: GitHubApi,
  redact: (text: string) => string,
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
