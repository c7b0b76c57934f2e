import { describe, expect, it } from 'vitest'
import { ClientId, ProjectId, UserId } from '../../src/command/ids.ts'
import { version } from '../../src/version.ts'
import { BadInstallation, parseInstallation, readInstallation } from './installation.ts'

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
      users: [{ ...USER, cpu: 1024, memoryMb: 2048, alwaysOn: false, autoShutdownMinutes: 20, safetyNet: true, queuePerThread: false }],
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
    ['no models', { ...LEAST, model: { kind: 'bedrock', models: [] } }, /model\.models: must name at least one/],
    ['a model and a pattern', { ...LEAST, model: { kind: 'bedrock', models: ['anthropic.*'] } }, /model\.models\[0\]: must be the id of a model/],
    ['a repository by ssh', { ...LEAST, users: [{ ...USER, repoUrl: 'git@github.com:acme/site.git' }] }, /repoUrl: must be an https:/],
    ['a container that never shuts down by minutes', { ...LEAST, users: [{ ...USER, autoShutdownMinutes: 0 }] }, /alwaysOn is for a container that never ends/],
    ['an hour of logs', { ...LEAST, logRetentionDays: 2 }, /logRetentionDays: must be 1, 3, 5/],
  ])('%s', (_, given, expected) => {
    expect(problemsOf(given).join('\n')).toMatch(expected)
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
