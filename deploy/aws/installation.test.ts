import { describe, expect, it } from 'vitest'
import { ClientId, ProjectId, UserId } from '../../src/command/ids.ts'
import { version } from '../../src/version.ts'
import { BadInstallation, parseInstallation, readInstallation } from './installation.ts'
import { slugOf } from './names.ts'

const USER = { clientId: 'acme', projectId: 'site', userId: 'anna' }
const LEAST = { region: 'us-east-1', model: { kind: 'anthropic' }, users: [USER] }

/** What is wrong, one line each; nothing where the file is taken. */
function problemsOf(given: unknown): readonly string[] {
  try {
    parseInstallation(typeof given === 'string' ? given : JSON.stringify(given))
    return []
  } catch (error) {
    if (!(error instanceof BadInstallation)) throw error
    return error.problems
  }
}

describe('a file that is right', () => {
  it('needs a region, a model and a user, and the rest has defaults', () => {
    expect(parseInstallation(JSON.stringify(LEAST))).toEqual({
      ...LEAST,
      name: 'branchline',
      architecture: 'ARM64',
      imageTag: version,
      maxCostUsdPerDay: 50,
      logRetentionDays: 30,
      users: [
        { ...USER, cpu: 1024, memoryMb: 2048, alwaysOn: false, autoShutdownMinutes: 20, safetyNet: true, queuePerThread: false, environment: {}, secrets: {} },
      ],
    })
  })

  it('is what the examples are', () => {
    for (const file of ['installation.example.json', 'three-users.example.json']) {
      expect(() => readInstallation(new URL(file, import.meta.url).pathname), file).not.toThrow()
    }
  })
})

describe('a file that is not', () => {
  it('is refused with everything that is wrong in it, each by its field', () => {
    const problems = problemsOf({
      name: 'Branch Line',
      region: 'somewhere',
      account: 12,
      domain: 'x.example.com',
      model: { kind: 'magic' },
      colour: 'red',
      users: [
        { ...USER, clientId: '../acme', cpu: 3, shoeSize: 43 },
        { ...USER, memoryMb: 3000, repoUrl: 'https://anna:secret@github.com/acme/site' },
        { ...USER, gitTokenSecret: 'x' },
      ],
    })
    expect(problems.map((problem) => problem.slice(0, problem.indexOf(':')))).toEqual([
      'name',
      'region',
      'account',
      'model.kind',
      'users[0].clientId',
      'users[0].shoeSize',
      'users[0].cpu',
      'users[1].repoUrl',
      'users[1].memoryMb',
      'users[2].gitTokenSecret',
      'colour',
      'hostedZoneId',
      'hostedZoneName',
      'users[2]',
    ])
    expect(problems.join('\n')).not.toContain('undefined')
    expect(problems.join('\n')).not.toContain('secret@')
  })

  it.each([
    ['no JSON', '{', /must be JSON/],
    ['no object', '[]', /must be an object/],
    ['no users', { ...LEAST, users: [] }, /users: must name at least one user/],
    ['a zone without its domain', { ...LEAST, hostedZoneId: 'Z1', hostedZoneName: 'example.com' }, /domain: is needed/],
    [
      'a domain outside of its zone',
      { ...LEAST, domain: 'a.example.org', hostedZoneId: 'Z1', hostedZoneName: 'example.com' },
      /domain: must be example\.com or below it/,
    ],
    [
      'a name too long for its certificate',
      { ...LEAST, domain: `${'a'.repeat(50)}.example.com`, hostedZoneId: 'Z1', hostedZoneName: 'example.com' },
      /longer than the 64 characters/,
    ],
    ['no model', { ...LEAST, model: { kind: 'bedrock' } }, /model\.model: is needed/],
    ['a pattern for a model', { ...LEAST, model: { kind: 'bedrock', model: 'anthropic.*' } }, /model\.model: must be an id and no ARN/],
    ['another service than Bedrock', { ...LEAST, model: { kind: 'bedrock', model: 'arn:aws:s3:::acme' } }, /model\.model: must be an id and no ARN/],
    [
      'the ARN of an inference profile',
      { ...LEAST, model: { kind: 'bedrock', model: 'arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.anthropic.claude-sonnet-4-5-20250929-v1:0' } },
      /inference profile of AWS, which is the same with us\., eu\. or global\. before it/,
    ],
    [
      'a variable for the model of Bedrock',
      { ...LEAST, model: { kind: 'bedrock', model: 'anthropic.x' }, users: [{ ...USER, environment: { ANTHROPIC_MODEL: 'anthropic.y' } }] },
      /users\[0\]\.environment\.ANTHROPIC_MODEL: is set by the installation itself, from model/,
    ],
    ['a repository by ssh', { ...LEAST, users: [{ ...USER, repoUrl: 'git@github.com:acme/site.git' }] }, /repoUrl: must be an https:/],
    ['a container that never shuts down by minutes', { ...LEAST, users: [{ ...USER, autoShutdownMinutes: 0 }] }, /alwaysOn is for a container that never ends/],
    ['an hour of logs', { ...LEAST, logRetentionDays: 2 }, /logRetentionDays: must be 1, 3, 5/],
  ])('%s', (_, given, expected) => {
    expect(problemsOf(given).join('\n')).toMatch(expected)
  })

  it('gives variables that are not known, not for it to give, secret, or not such as the service takes', () => {
    const environment = {
      SHOE_SIZE: '43',
      HOST: '::',
      REPO_URL: 'x',
      VAULT_KEY: 'x',
      CONCURRENCY: 'many',
      AGENTS_KEPT: '',
      LOG_LEVEL: 'debug',
      EGRESS_ALLOW: '',
    }
    const secrets = { API_TOKEN: 'x', LOG_LEVEL: 'x', OTEL_EXPORTER_OTLP_HEADERS: 'not a name' }
    expect(problemsOf({ ...LEAST, users: [{ ...USER, environment, secrets }] })).toEqual([
      'users[0].environment.SHOE_SIZE: is no variable of the service',
      'users[0].environment.HOST: is set by the installation itself',
      'users[0].environment.REPO_URL: is set by the installation itself, from repoUrl',
      'users[0].environment.VAULT_KEY: is a secret; put it into Secrets Manager and name that secret in secrets',
      'users[0].environment.CONCURRENCY: must be a whole number from 1 to 64',
      'users[0].environment.AGENTS_KEPT: must not be empty, which is the same as not set',
      'users[0].secrets.OTEL_EXPORTER_OTLP_HEADERS: must be the name of a secret in Secrets Manager whose value is that of the variable',
      'users[0].secrets.API_TOKEN: is set by the installation itself, from domain',
      'users[0].secrets.LOG_LEVEL: is in environment too',
    ])
  })

  it('holds two users whose stacks would have one name', () => {
    const long = { clientId: 'c'.repeat(21), projectId: 'p', userId: 'Long'.repeat(20) }
    const slug = slugOf({ clientId: ClientId.parse(long.clientId), projectId: ProjectId.parse(long.projectId), userId: UserId.parse(long.userId) })
    const alike = { ...long, userId: slug.slice(slug.lastIndexOf('-') + 1) }
    expect(problemsOf({ ...LEAST, users: [long, alike] })).toEqual([
      `users[1]: would have its stack and its service called ${slug}, as those of users[0] are; change one of the ids`,
    ])
  })

  it('cannot be read, and says so', () => {
    expect(() => readInstallation('/nowhere/installation.json')).toThrow(/\/nowhere\/installation\.json has a problem:\n {2}- cannot be read \(ENOENT/)
  })

  it('holds two users whose containers would have one name', () => {
    const pairs = [
      [
        { clientId: 'a-b', projectId: 'c', userId: 'd' },
        { clientId: 'a', projectId: 'b-c', userId: 'd' },
      ],
      [USER, USER],
    ]
    for (const users of pairs) expect(problemsOf({ ...LEAST, users })).toEqual([expect.stringMatching(/^users\[1\]: is called .* as users\[0\] is/)])
  })
})

it('ids are those of the service', () => {
  const ids = ['a', 'A.b_c@d-e', 'x'.repeat(128), 'x'.repeat(129), '', '-a', 'a..b', 'a.', 'a.lock', 'metadata.json', 'a b', 'a/b', 'ä']
  for (const [field, schema] of [
    ['clientId', ClientId],
    ['projectId', ProjectId],
    ['userId', UserId],
  ] as const) {
    for (const id of ids) expect(problemsOf({ ...LEAST, users: [{ ...USER, [field]: id }] }).length === 0, `${field} ${id}`).toBe(schema.safeParse(id).success)
  }
})
