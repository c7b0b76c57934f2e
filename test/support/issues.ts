import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { expect } from 'vitest'
import { clientOf, type Client } from './client.ts'
import { startGitHub, type GitHub, type GitHubOptions } from './github/github.ts'
import { commitAll } from './repository.ts'
import { startModel, type Model } from './model.ts'
import { startService, type Service, type ServiceOptions } from './service.ts'

const exec = promisify(execFile)

/** A service with a GitHub App of its own, the GitHub it speaks to, and the model. */
export interface WithGitHub extends AsyncDisposable {
  readonly github: GitHub
  readonly service: Service
  readonly model: Model
  readonly client: Client
}

export const VAULT_KEY = randomBytes(32).toString('base64')

/** What a service is started with so that it speaks to a GitHub. */
export const githubEnv = (github: GitHub): Record<string, string> => ({
  GITHUB_API_URL: github.url,
  VAULT_KEY,
  GITHUB_PROGRESS_SECONDS: '0',
  GITHUB_MISSED_SECONDS: '0',
})

export async function withGitHub(options: GitHubOptions & { readonly service?: ServiceOptions; readonly token?: string } = {}): Promise<WithGitHub> {
  const parts = new AsyncDisposableStack()
  const model = parts.use(await startModel())
  const github = parts.use(await startGitHub(options))
  const env = { ANTHROPIC_BASE_URL: model.url, ANTHROPIC_API_KEY: 'CANARY-model-key-7f3a', REPO_URL: '', ...githubEnv(github), ...options.service?.env }
  const service = parts.use(await startService({ ...options.service, env }))
  await enter(service, github, options.token)
  github.sendTo(`${service.url}/webhook/github`)
  return { github, service, model, client: clientOf(service, 'github', options.token), [Symbol.asyncDispose]: () => parts.disposeAsync() }
}

/** Enters the app, as an operator does. */
export async function enter(service: Service, { app }: GitHub, token?: string): Promise<void> {
  const answer = await fetch(`${service.url}/config`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...(token === undefined ? {} : { authorization: `Bearer ${token}` }) },
    body: JSON.stringify({ appId: app.id, privateKey: app.privateKey, webhookSecret: app.webhookSecret }),
  })
  expect(await answer.json()).toMatchObject({ success: true, configured: true, slug: app.slug })
}

/** The steps of an issue of acme/site, in the order in which they were told, up to the last one. */
export async function stepsOf({ service }: Pick<WithGitHub, 'service'>, threadId: string): Promise<readonly string[]> {
  const stop = AbortSignal.timeout(30_000)
  const steps: string[] = []
  const answer = await fetch(`${service.url}/api/threads/acme/github/${threadId}/events?projectId=site`, { signal: stop })
  for await (const chunk of answer.body?.pipeThrough(new TextDecoderStream()) ?? []) {
    for (const [, step = ''] of chunk.matchAll(/"type":"step.reached","step":"([^"]+)"/g)) steps.push(step)
    if (steps.includes('clean-up')) break
  }
  return steps
}

/** The comment that says how the work for an issue stands. */
export const progressOf = (github: GitHub, number: number): string =>
  github
    .comments(number)
    .filter(({ body }) => body.includes('<!-- branchline progress'))
    .map(({ body }) => body)
    .join('\n=====\n')

/** Comments of ours that answer something, oldest first, without their markers. */
export const answersOf = (github: GitHub, number: number): readonly string[] =>
  github
    .comments(number)
    .filter(({ body }) => /<!-- branchline (answer|settings)/.test(body))
    .map(({ body }) => body.replaceAll(/\n*<!--.*?-->/g, ''))

/** Commits to a branch of acme/site on GitHub, as somebody else does. */
export async function commitToOrigin(github: GitHub, branch: string, files: Readonly<Record<string, string>>): Promise<void> {
  const tree = await mkdtemp(join(tmpdir(), 'branchline-elsewhere-'))
  await exec('git', ['clone', '-q', '-b', branch, github.repository('acme', 'site'), tree])
  for (const [path, content] of Object.entries(files)) {
    await mkdir(dirname(join(tree, path)), { recursive: true })
    await writeFile(join(tree, path), content)
  }
  await commitAll(tree, 'from elsewhere')
  await exec('git', ['-C', tree, 'push', '-q', 'origin', branch])
  await rm(tree, { recursive: true, force: true })
}
