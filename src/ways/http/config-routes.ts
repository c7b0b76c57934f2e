import type * as z from 'zod'
import { BadPrivateKey } from '../../vault/pkcs8.ts'
import type { Vault } from '../../vault/vault.ts'
import { appFields, type App } from '../github/api/app.ts'
import { appIn, ConfigAnswer, ConfigBody, shownConfig } from '../github/api/config.ts'
import type { Caller } from './access.ts'
import type { Desk } from './desk.ts'
import { invalidField, Problem } from './problem.ts'
import { route, type Route } from './route.ts'

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
      serve: async ({ body, c, caller }) => {
        const vault = vaultOf(desk, caller)
        await keepApp(await entered(body), vault, desk)
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

async function entered(body: z.infer<typeof ConfigBody>): Promise<Partial<App>> {
  try {
    return await appIn(body)
  } catch (error) {
    if (error instanceof BadPrivateKey) throw invalidField('#/privateKey', error.message)
    throw error
  }
}

const shown = (vault: Vault, { github, tools }: Desk) => shownConfig(vault, github.api, tools.redact)
