// Builds and pushes the container image, by docker, podman or buildah, whichever is there.
//   npm run image:build [-- TAG]      localhost/branchline:TAG; by default the version of package.json
//   npm run image:push [-- TAG]       builds it and pushes it to the registry, for IMAGE_PLATFORM (linux/arm64 or linux/amd64) if that is set
// The registry is REGISTRY_URI, or that of the one installation that `npm run deploy:aws` has made from here.
import { spawnSync } from 'node:child_process'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { registriesIn } from '../deploy/aws/outputs.ts'
import about from '../package.json' with { type: 'json' }

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const DOCKERFILE = join('deploy', 'image', 'Dockerfile')
const AWS = join(root, 'deploy', 'aws')

function fail(text: string): never {
  process.stderr.write(`branchline: ${text}\n`)
  process.exit(1)
}

function run(program: string, args: readonly string[], input?: string): void {
  const { status, error } = spawnSync(program, args, { cwd: root, input, stdio: [input === undefined ? 'inherit' : 'pipe', 'inherit', 'inherit'] })
  if (error !== undefined || status !== 0) fail(`${program} ${args[0] ?? ''} failed${error === undefined ? ` with ${status}` : ` (${error.message})`}`)
}

/** Docker's command may be there without the engine that it speaks to. */
const works = (program: string, verb = '--version'): boolean => spawnSync(program, [verb], { stdio: 'ignore' }).status === 0

/** The arguments that build the image, by what is installed here. */
function builder(): { readonly program: string; readonly build: readonly string[] } {
  const ignored = ['--ignorefile', `${DOCKERFILE}.dockerignore`]
  if (works('docker', 'info')) return { program: 'docker', build: ['build'] }
  if (works('podman')) return { program: 'podman', build: ['build', '--format', 'docker', ...ignored] }
  if (works('buildah')) return { program: 'buildah', build: ['bud', '--format', 'docker', '--layers', ...ignored] }
  return fail('docker, podman or buildah is needed to build the image; install one of them.')
}

function registry(): string {
  const named = process.env['REGISTRY_URI']
  if (named !== undefined && named !== '') return named
  const made = registriesIn(AWS)
  const [only, another] = made.values()
  if (only === undefined)
    return fail('REGISTRY_URI: is needed, such as 123456789012.dkr.ecr.us-east-1.amazonaws.com/branchline; or run `npm run deploy:aws` first.')
  if (another === undefined) return only
  return fail(`REGISTRY_URI: is needed, since there are several installations:\n${[...made].map(([name, uri]) => `  ${name}: ${uri}`).join('\n')}`)
}

/** ECR takes a password of some hours, which the AWS command line asks for. */
function logIn(program: string, uri: string): void {
  const [, host, region] = /^(\d+\.dkr\.ecr\.([a-z0-9-]+)\.amazonaws\.com(?:\.cn)?)\//.exec(uri) ?? []
  if (host === undefined || region === undefined) return // another registry: whoever runs this has logged in
  const { status, stdout } = spawnSync('aws', ['ecr', 'get-login-password', '--region', region], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] })
  if (status !== 0) fail('the AWS command line is needed to log in to ECR, with credentials that may push there')
  run(program, ['login', '--username', 'AWS', '--password-stdin', host], stdout)
}

const [verb, tag = about.version, ...more] = process.argv.slice(2)
if ((verb !== 'build' && verb !== 'push') || more.length > 0 || !/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/.test(tag))
  fail('usage: npm run image:build [-- TAG], npm run image:push [-- TAG]')
const { program, build } = builder()
const platform = process.env['IMAGE_PLATFORM']
const local = `localhost/branchline:${tag}`
const uri = verb === 'push' ? registry() : undefined // said before the image is built, where there is none
run(program, [...build, ...(platform ? ['--platform', platform] : []), '--file', DOCKERFILE, '--tag', local, '.'])
if (uri !== undefined) {
  logIn(program, uri)
  run(program, ['tag', local, `${uri}:${tag}`])
  // zstd is pulled and unpacked faster; docker itself pushes what it has.
  run(program, ['push', ...(program === 'docker' ? [] : ['--compression-format', 'zstd', '--compression-level', '9']), `${uri}:${tag}`])
  process.stdout.write(`${uri}:${tag}\n`)
} else process.stdout.write(`${local}\n`)
