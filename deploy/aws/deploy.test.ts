import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it, vi } from 'vitest'
import { idleCosts } from './costs.ts'
import { outputsIn, registriesIn, registryOutputsIn, registryUriOf } from './outputs.ts'
import { installPackages, runStep, StepFailed } from './programs.ts'
import { assemblyIn, imageStep, registryStep, restStep } from './steps.ts'
import { exampleOf } from './testing.ts'

const folder = mkdtempSync(join(tmpdir(), 'branchline-aws-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const FOLDERS = { root: '/checkout', aws: '/checkout/deploy/aws' }
const run = (...args: string[]) => spawnSync(process.execPath, [join(import.meta.dirname, 'deploy.ts'), ...args], { encoding: 'utf8' })

describe('the way to an installation', () => {
  it('makes the registry first, alone', () => {
    const { args } = registryStep(exampleOf('one'), FOLDERS)
    expect(args.slice(0, 4)).toEqual(['deploy', 'branchline-registry', '--app', assemblyIn(FOLDERS, exampleOf('one'))])
    expect(args).toContain('--exclusively')
  })

  it('pushes the image for the processor of the tasks to that registry', () => {
    const one = imageStep(exampleOf('one'), FOLDERS, '123456789012.dkr.ecr.us-east-1.amazonaws.com/images')
    expect(one).toMatchObject({
      program: 'npm',
      args: ['run', 'image:push', '--', 'TAG'],
      cwd: '/checkout',
      env: { REGISTRY_URI: '123456789012.dkr.ecr.us-east-1.amazonaws.com/images', IMAGE_PLATFORM: 'linux/arm64' },
    })
    expect(imageStep(exampleOf('three'), FOLDERS, 'x').env).toMatchObject({ IMAGE_PLATFORM: 'linux/amd64' })
  })

  it('then makes all else, four stacks at once, without asking in between', () => {
    const { args } = restStep(exampleOf('three'), FOLDERS)
    expect(args.slice(0, 5)).toEqual([
      'deploy',
      'agents-foundation',
      'agents-acme-site-anna',
      'agents-acme-site-anna-48d788f7',
      'agents-north-west-docs-v2-kim-a672a9c8',
    ])
    expect(args.join(' ')).toContain('--require-approval never --concurrency 4')
  })

  it('says where to bootstrap', () => {
    expect(registryStep(exampleOf('three'), FOLDERS).hint).toContain('cdk bootstrap aws://123456789012/eu-central-1')
    expect(registryStep(exampleOf('one'), FOLDERS).hint).toContain('cdk bootstrap aws://ACCOUNT/us-east-1')
  })
})

describe('what is written down', () => {
  it('is in a file of its own for each step and installation', () => {
    const files = (['one', 'three'] as const).flatMap((example) =>
      [registryStep(exampleOf(example), FOLDERS), restStep(exampleOf(example), FOLDERS)].map(({ args }) => args[args.indexOf('--outputs-file') + 1]),
    )
    expect(files).toEqual(['branchline.registry', 'branchline', 'agents.registry', 'agents'].map((name) => `/checkout/deploy/aws/outputs/${name}.json`))
    expect(assemblyIn(FOLDERS, exampleOf('one'))).not.toBe(assemblyIn(FOLDERS, exampleOf('three')))
  })

  it('names the registry of each installation', () => {
    expect(registriesIn(folder)).toEqual(new Map())
    mkdirSync(join(folder, 'outputs'))
    for (const name of ['branchline', 'agents']) {
      writeFileSync(registryOutputsIn(folder, name), JSON.stringify({ [`${name}-registry`]: { RegistryUri: `registry/${name}` } }))
      writeFileSync(outputsIn(folder, name), JSON.stringify({ [`${name}-foundation`]: { ClusterName: name } }))
    }
    expect(registriesIn(folder)).toEqual(
      new Map([
        ['agents', 'registry/agents'],
        ['branchline', 'registry/branchline'],
      ]),
    )
    expect(() => registryUriOf(outputsIn(folder, 'agents'))).toThrow('agents.json does not say where the registry is')
  })
})

it('packages that cannot be installed are said without a trace of the stack', () => {
  const aws = mkdtempSync(join(folder, 'packages-'))
  writeFileSync(join(aws, 'package-lock.json'), '{}')
  writeFileSync(join(aws, 'npm.js'), 'process.exitCode = 1')
  vi.stubEnv('npm_execpath', join(aws, 'npm.js'))
  expect(() => installPackages({ aws, root: folder })).toThrow(StepFailed) // of which deploy.ts says the message alone
  vi.unstubAllEnvs()
})

describe('the program', () => {
  it('says how to begin where it is given nothing, and refuses what it does not know', () => {
    expect(run()).toMatchObject({ status: 1, stderr: expect.stringContaining('To begin, copy deploy/aws/installation.example.json') })
    const unknown = run('installation.json', '--force')
    expect(unknown.status).toBe(1)
    expect(unknown.stderr).toMatch(/Unknown option '--force'.*Usage:/s)
  })

  it('lists what is wrong in a file, and does nothing', () => {
    const file = join(folder, 'installation.json')
    writeFileSync(file, JSON.stringify({ region: 'nowhere', model: { kind: 'anthropic' }, users: [] }))
    const { status, stdout, stderr } = run(file)
    expect({ status, stdout }).toEqual({ status: 1, stdout: '' })
    expect(stderr).toMatch(/installation\.json has 2 problems:\n {2}- region: .*\n {2}- users: /)
  })
})

it('a program that fails ends the way there, with what to look at', async () => {
  const step = { ...registryStep(exampleOf('one'), FOLDERS), args: ['list', '--app', join(folder, 'nothing')], cwd: folder }
  await expect(runStep(step, { root: folder, aws: import.meta.dirname })).rejects.toThrow(
    /^The registry could not be deployed; the reason is above\.\nWhere it says/,
  )
  await expect(runStep({ ...step, args: ['--version'] }, { root: folder, aws: import.meta.dirname })).resolves.toBeUndefined()
})

describe('what it costs while nobody works', () => {
  const totalOf = (installation: Parameters<typeof idleCosts>[0]) => idleCosts(installation).reduce((sum, { usdPerMonth }) => sum + usdPerMonth, 0)

  it('is the load balancer, secrets and alarms', () => {
    expect(idleCosts(exampleOf('one')).map(({ what }) => what)).toEqual(['load balancer with its two addresses', 'secrets', 'alarms'])
    expect(totalOf(exampleOf('one'))).toBeCloseTo(0.0325 * 730 + 2 * 0.4 + 13 * 0.1, 5)
  })

  it('is a container besides for each user who is always on', () => {
    const [always] = idleCosts(exampleOf('three')).filter(({ what }) => what.includes('always on (1)'))
    expect(always?.usdPerMonth).toBeCloseTo((0.04048 + 2 * 0.004445 + 0.005) * 730, 5)
  })
})
