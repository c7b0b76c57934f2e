import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { BadConfiguration, readConfig } from './config.ts'

const problemsOf = (environment: Record<string, string>): readonly string[] => {
  try {
    readConfig(environment)
    return []
  } catch (error) {
    if (error instanceof BadConfiguration) return error.problems
    throw error
  }
}

it('nothing set is a laptop in simulation', () => {
  expect(readConfig({})).toMatchObject({ PORT: 8080, HOST: '127.0.0.1', CONCURRENCY: 2, simulated: true, RUN_TIMEOUT: 300_000 })
})

it('a credential means the real model', () => {
  expect(readConfig({ ANTHROPIC_API_KEY: 'sk-x' })).toMatchObject({ simulated: false, upstream: { credential: { header: 'x-api-key' } } })
  expect(readConfig({ CLAUDE_CODE_OAUTH_TOKEN: 'o' })).toMatchObject({ upstream: { credential: { header: 'authorization', oauth: true } } })
  expect(readConfig({ ANTHROPIC_API_KEY: 'sk-x', SIMULATION: 'true' }).simulated).toBe(true)
})

it('models of Amazon Bedrock need a region, and no key', () => {
  const upstream = { kind: 'bedrock', url: 'https://bedrock-runtime.eu-central-1.amazonaws.com', region: 'eu-central-1', bearer: undefined }
  const environment = { CLAUDE_CODE_USE_BEDROCK: '1', AWS_REGION: 'eu-central-1', AWS_SECRET_ACCESS_KEY: 'a secret key' }
  expect(readConfig(environment)).toMatchObject({ simulated: false, upstream, secrets: ['a secret key'] })
  expect(problemsOf({ CLAUDE_CODE_USE_BEDROCK: '1' })).toEqual([expect.stringMatching(/^AWS_REGION: /)])
  expect(problemsOf({ CLAUDE_CODE_USE_BEDROCK: '1', AWS_REGION: 'evil.example/' })).toEqual([expect.stringMatching(/^AWS_REGION: /)])
})

it('every problem is reported at once, by name', () => {
  const problems = problemsOf({
    PORT: 'x',
    CONCURRENCY: '0',
    HOST: '0.0.0.0',
    CLIENT_ID: '../x',
    REPO_URL: 'ext::sh -c id',
    LOG_LEVEL: 'loud',
    ANTHROPIC_BASE_URL: 'ftp://x',
  })
  for (const name of ['PORT', 'CONCURRENCY', 'HOST', 'CLIENT_ID', 'REPO_URL', 'LOG_LEVEL', 'ANTHROPIC_BASE_URL'])
    expect(problems.join('\n')).toContain(`${name}:`)
  expect(problemsOf({ HOST: '0.0.0.0', REPO_URL: 'ext::sh -c id' })).toHaveLength(2)
  expect(problemsOf({ SIMULATION: 'false' })).toHaveLength(1)
})

describe('secrets', () => {
  it('in the address of a proxy are known for redaction and reach no agent', () => {
    const config = readConfig({ HTTPS_PROXY: 'http://ada:proxy-password@proxy:3128', NO_PROXY: 'localhost' })
    expect(config.networkEnv).toMatchObject({ HTTPS_PROXY: 'http://ada:proxy-password@proxy:3128' })
    expect(config.agentNetworkEnv).toEqual({ NO_PROXY: 'localhost' })
    expect(config.secrets).toEqual(['proxy-password'])
  })
  it('that cannot be read are a problem like any other', () => {
    expect(problemsOf({ REPO_URL: 'https://ada:%zz@example.com/a/b', GITHUB_API_URL: 'nonsense' })).toHaveLength(2)
  })
  it('may be given as a file and are known for redaction', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'branchline-config-'))
    const file = join(folder, 'key')
    await writeFile(file, 'sk-from-a-file\n')
    const config = readConfig({ ANTHROPIC_API_KEY_FILE: file, REPO_URL: 'https://ada:p%40ss@example.com/a/b.git' })
    await rm(folder, { recursive: true })
    expect(config.upstream).toMatchObject({ credential: { value: 'sk-from-a-file' } })
    expect(config.secrets).toEqual(expect.arrayContaining(['sk-from-a-file', 'p@ss']))
    expect(config.origin).toMatchObject({ url: 'https://example.com/a/b.git' })
    expect(problemsOf({ ANTHROPIC_API_KEY_FILE: '/nowhere' })[0]).toContain('ANTHROPIC_API_KEY_FILE')
  })
})

it('an allow-list holds what is always allowed besides, and an empty one allows nothing else', () => {
  const hosts = (environment: Record<string, string>) => readConfig(environment).egress?.map(({ host }) => host)
  expect(hosts({})).toBeUndefined()
  expect(hosts({ EGRESS_ALLOW: '' })).toEqual(['registry.npmjs.org', 'github.com'])
  expect(hosts({ EGRESS_ALLOW: 'example.com', REPO_URL: 'https://git.example.org/a/b', npm_config_registry: 'https://npm.example.org/' })).toEqual([
    'example.com',
    'registry.npmjs.org',
    'npm.example.org',
    'git.example.org',
    'github.com',
  ])
  expect(problemsOf({ EGRESS_ALLOW: 'example.com, *' })).toEqual([expect.stringMatching(/^EGRESS_ALLOW: "\*" must be/)])
})

it('whether a repository may be asked for without a credential is known by what is given for it', () => {
  const asked = (env: Readonly<Record<string, string>>): string | undefined => readConfig({ REPO_URL: 'https://github.com/acme/site', ...env }).openOrigin
  expect(asked({})).toBe('https://github.com/acme/site')
  expect(asked({ GITHUB_TOKEN: 'ghp_of-somebody' })).toBeUndefined()
  expect(asked({ REPO_URL: 'https://anna:token-of-hers@github.com/acme/site' })).toBeUndefined()
  expect(asked({ REPO_URL: 'https://git.example.com/acme/site', GITHUB_TOKEN: 'ghp_of-somebody' })).toBe('https://git.example.com/acme/site')
})
