import type { Vault } from '../../../vault/vault.ts'

/** What makes us a GitHub App; kept in the vault under these names. */
export interface App {
  readonly appId: string
  /** PKCS#8, PEM. */
  readonly privateKey: string
  /** Any of them may have signed a webhook: there are several while one is being replaced. */
  readonly webhookSecrets: readonly string[]
  /** Of the only installation there is; else each repository is asked for its own. */
  readonly installationId: number | undefined
}

/** The app out of the vault; `undefined` where it is not all there. */
export async function readApp(vault: Vault): Promise<App | undefined> {
  const [appId, privateKey, secrets, installationId] = await Promise.all(
    ['appId', 'privateKey', 'webhookSecret', 'installationId'].map((field) => vault.get(field)),
  )
  if (appId === undefined || privateKey === undefined || secrets === undefined) return undefined
  return { appId, privateKey, webhookSecrets: JSON.parse(secrets), installationId: installationId === undefined ? undefined : Number(installationId) }
}

/** What is kept of an app, as the vault keeps it; of what is left out nothing changes. */
export const appFields = ({ appId, privateKey, webhookSecrets, ...rest }: Partial<App>): Record<string, string | undefined> => ({
  ...(appId === undefined ? {} : { appId }),
  ...(privateKey === undefined ? {} : { privateKey }),
  ...(webhookSecrets === undefined ? {} : { webhookSecret: JSON.stringify(webhookSecrets) }),
  ...('installationId' in rest ? { installationId: rest.installationId === undefined ? undefined : String(rest.installationId) } : {}),
})
