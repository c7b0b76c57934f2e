import { execFile } from 'node:child_process'
import { readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { printable } from '../../src/observe/text.ts'
import { clientOf, type Client } from '../support/client.ts'
import { startModel, type Model } from '../support/model.ts'
import { makeRepository } from '../support/repository.ts'
import { startService, type Service } from '../support/service.ts'
import { commitRaw, DEEP, give, hostileRepository, packageInGit, PLANT, type Tree } from './planted.ts'
import { setTraps, type Traps } from './traps.ts'

const exec = promisify(execFile)
const FIRST_USER_ID = 40_000
let [model, service, traps]: [Model, Service, Traps] = [undefined!, undefined!, undefined!]
let [origin, elsewhere, before]: [string, string, readonly string[]] = ['', '', []]

beforeAll(async () => {
  traps = await setTraps()
  origin = join(traps.folder, 'origin')
  elsewhere = join(traps.folder, 'elsewhere.git')
  await exec('git', ['init', '-q', '--bare', elsewhere])
  model = await startModel()
  await serve(await makeRepository(join(traps.folder, 'plain')))
  before = await traps.untouched()
  service = await startService({
    env: { ANTHROPIC_BASE_URL: model.url, ANTHROPIC_API_KEY: 'CANARY-model-key-7f3a', REPO_URL: origin, FIRST_USER_ID: String(FIRST_USER_ID) },
  })
})
afterAll(async () => {
  await service.terminate()
  await exec('rm', ['-rf', service.workspace]) // deeper than Node's own can follow
  await service[Symbol.asyncDispose]()
  await model[Symbol.asyncDispose]()
  await traps[Symbol.asyncDispose]()
})
afterEach(() => nothingSprung())

/** No trap ran, nobody touched what is outside, and nothing was pushed elsewhere. */
async function nothingSprung(): Promise<void> {
  const [was, seen] = [before, { fired: await traps.fired(), outside: await traps.untouched(), elsewhere: await refsOf(elsewhere) }]
  await traps.forget()
  before = seen.outside // what sprang in one test is told of that one only
  expect(seen).toEqual({ fired: [], outside: was, elsewhere: '' })
}

/** From now on new workspaces begin from this repository; those there are go on with what they have. */
async function serve(repository: string): Promise<void> {
  await rm(origin, { recursive: true, force: true })
  await rename(repository, origin)
}
const refsOf = async (repository: string): Promise<string> =>
  (await exec('git', ['-C', repository, 'for-each-ref', '--format=%(objectname) %(refname)'])).stdout
const treeOf = async (client: Client, threadId: string): Promise<string> =>
  (await client.call('POST', '/api/init', { clientId: 'acme', userId: client.repository.split('/').at(-2), threadId })).body.workspace.projectPath
/** Names of a listing of git or find; not every one is UTF-8. */
const names = (output: Buffer): readonly string[] =>
  output
    .toString('latin1')
    .split('\0')
    .filter((name) => name !== '')
const saved = async (client: Client, threadId: string): Promise<readonly string[]> =>
  names(
    (await exec('git', ['-C', client.repository, 'ls-tree', '-r', '-z', '--name-only', `thread-${threadId}`], { encoding: 'buffer', maxBuffer: 1e8 })).stdout,
  )
async function clean(client: Client): Promise<void> {
  await exec('git', ['-C', client.repository, 'fsck', '--strict', '--no-dangling', '--no-progress']) // ends with an error where it finds one
}

it('the traps catch who runs plain git in such a repository', async () => {
  const tree = await hostileRepository(traps, origin, elsewhere)
  await exec('git', ['-C', tree, '-c', 'core.worktree=.', 'status']).catch(() => {})
  expect((await traps.fired()).join()).toContain('config-fsmonitor')
  await traps.forget()
  await serve(tree)
})

describe('a repository that is hostile when it is cloned', () => {
  it('runs none of its programs when it is edited, built, shown and taken back, and every name arrives', async () => {
    const client = clientOf(service, 'cloned')
    const edit = await client.run('a', 'replace Fresh with Warm in src/index.astro then write ok.txt: fine')
    expect(edit).toMatchObject({ success: true, filesChanged: ['ok.txt', 'src/index.astro'] })
    expect(edit.skipped).toBeUndefined()
    expect(await client.git('show', 'thread-a:raw.txt')).toBe('one\r\n$Id$')
    expect(await readFile(join(await treeOf(client, 'a'), 'raw.txt'), 'utf8')).toBe('one\r\n$Id$\n')
    // An install has nothing to do with the repository's .npmrc; a build has, and may run what it likes as the agent's user.
    await client.event('a', (event) => event.type === 'progress' && event.text === 'Dependencies are installed')
    expect(await client.run('a', 'run rm .npmrc')).toMatchObject({ success: true, filesChanged: expect.arrayContaining(['.npmrc']) })
    expect(await client.run('a', '', { type: 'build' })).toMatchObject({ success: true, filesChanged: ['built.txt'] })
    expect(await client.git('show', 'thread-a:built.txt')).not.toContain('CANARY')
    expect((await client.call('GET', client.thread('a', 'diff'))).body.patch).toContain('Warm bread')
    const link = await fetch(`${service.url}${client.thread('a', 'files')}?path=link-to-file`)
    expect(await link.text()).toBe(`${traps.outside}/canary.txt`)
    for (const _ of [1, 2, 3]) expect((await client.call('POST', client.thread('a', 'undo'), {})).body.result).toMatchObject({ success: true })
    expect(await client.git('rev-parse', 'thread-a^{tree}')).toBe(await client.git('rev-parse', 'main^{tree}'))
    await clean(client)
  })

  it('configures neither the agent nor what it is sent', async () => {
    const sent = JSON.stringify(model.requests)
    expect(model.requests.length).toBeGreaterThan(0)
    expect(model.requests.map((request) => request.model).filter((name) => name.includes('evil'))).toEqual([])
    expect(sent).not.toContain('MEMORY-OF-THE-REPOSITORY')
    expect(sent).not.toContain('mcp__evil')
  })

  it('brings packages from git that run nothing when they are installed', async () => {
    const client = clientOf(service, 'cloned')
    const second = await packageInGit(traps, FIRST_USER_ID - 1, 'second')
    const first = await packageInGit(traps, FIRST_USER_ID - 1, 'first', { dependencies: { second: `git+file://${second}` } })
    const manifest = { name: 'x', dependencies: { first: `git+file://${first}` }, scripts: { build: 'ls node_modules' } }
    await client.run('git-packages', `write package.json: ${JSON.stringify(manifest)} then run rm .npmrc`)
    // Whether npm takes them is npm's business.
    expect(['workspace_failed', undefined]).toContain((await client.run('git-packages', '', { type: 'build' })).code)
  })

  it('is saved whatever an agent puts where git looks for other repositories', async () => {
    const client = clientOf(service, 'cloned')
    const pipe = (folder: string): string => `mkdir -p ${folder}/refs ${folder}/objects; mkfifo ${folder}/HEAD`
    const text = `
${pipe('nested/.git')}; ${pipe('linked/.git')}; ${pipe('"$TMPDIR/away"')}; mkdir by-link by-file
ln -s "$TMPDIR/away" by-link/.git; echo "gitdir: $TMPDIR/away" > by-file/.git
for name in nested linked by-link by-file; do echo x > $name/file.txt; done`
    const wanted = ['nested', 'linked', 'by-link', 'by-file'].map((name) => `${name}/file.txt`)
    const result = await client.run('pipes', `run sh ${await traps.script('pipes.sh', text)}`)
    expect(result).toMatchObject({ success: true, filesChanged: expect.arrayContaining(wanted) })
    expect(await client.run('pipes', 'write next.txt: next')).toMatchObject({ success: true, filesChanged: ['next.txt'] })
  })

  const settings = (text: string): Tree => [['100644', '.gitmodules', text]]
  const bad: Readonly<Record<string, Tree>> = {
    'an address that is an option': settings('[submodule "x"]\n\tpath = x\n\turl = --upload-pack=touch\n'),
    'a program for a submodule': settings('[submodule "x"]\n\tpath = x\n\turl = https://x.example/\n\tupdate = !touch\n'),
    'a submodule whose name leads out': settings('[submodule "../../x"]\n\tpath = x\n\turl = https://x.example/\n'),
    'a link for .gitmodules': [['120000', '.gitmodules', 'x']],
    'a name with a slash': [['100644', 'a/../../b', 'x']],
    ...Object.fromEntries(
      ['.git', '.GIT', 'git~1', '.g\u200cit', '.', '..'].map((name) => [`a folder ${name}`, [['40000', name, [['100644', 'config', 'x']]]]]),
    ),
  }
  it('is refused where its tree holds what would become a part of a git directory, and leaves nothing behind', async () => {
    const results: Record<string, unknown> = {}
    for (const [at, [what, tree]] of Object.entries(bad).entries()) {
      const bare = join(traps.folder, 'bad.git')
      await exec('git', ['init', '-q', '--bare', '-b', 'main', bare])
      commitRaw(bare, tree)
      expect(await refsOf(bare)).toContain('refs/heads/main')
      await serve(bare)
      const client = clientOf(service, `bad-${at}`)
      const { success, code, error = '' } = await client.run('a', 'write ok.txt: fine')
      results[what] = { success, code, told: error.includes('could not be cloned') }
      expect(await readdir(join(client.repository, '..')).catch(() => [])).not.toContain('project')
    }
    expect(results).toEqual(Object.fromEntries(Object.keys(bad).map((what) => [what, { success: false, code: 'workspace_failed', told: true }])))
  })
})
describe('an agent that makes its work tree and its git hostile', () => {
  let client: Client
  const plant = (threadId: string, file: string, ...args: readonly string[]) => client.run(threadId, `run sh ${[file, ...args].join(' ')} && echo planted`)

  beforeAll(async () => {
    await serve(await makeRepository(join(traps.folder, 'honest')))
    client = clientOf(service, 'agent')
    await give(traps, origin, elsewhere)
  })

  it('has every file that it wrote in a commit of its thread or told as skipped', async () => {
    const result = await plant('evil', await traps.script('plant.sh', PLANT), traps.folder)
    expect(result).toMatchObject({ success: true, summary: expect.stringContaining('planted') })
    const known = new Set(await saved(client, 'evil'))
    const told = new Set((result.skipped ?? []).map(({ path }) => path))
    const prune = ['(', '-name', '.git', '-o', '-name', 'node_modules', ')', '-prune', '-o']
    const cwd = await treeOf(client, 'evil')
    const { stdout } = await exec('find', ['.', ...prune, '!', '-type', 'd', '-print0'], { cwd, encoding: 'buffer', maxBuffer: 1e8 })
    const written = names(stdout).map((name) => name.slice(2))
    expect(written.length).toBeGreaterThan(10_000)
    expect(written.filter((name) => !known.has(name) && !told.has(printable(Buffer.from(name, 'latin1').toString('utf8'), 4096)))).toEqual([])
    expect([...told].toSorted()).toEqual(['.GIT/config', '.gitmodules', 'git~1/config', 'nested-full/.GIT/config', 'pipe', 'socket', 'sparse.bin'])
    await clean(client)
  })

  it('works on, is shown, pushed and taken back without anything of it running, and the push arrives where it should', async () => {
    const next = await client.run('evil', 'write next.txt: next')
    expect(next).toMatchObject({ success: true, filesChanged: ['next.txt'] })
    expect((await client.call('GET', client.thread('evil', 'diff'))).status).toBe(200)
    expect((await client.call('GET', client.thread('evil', 'files'))).body.files.length).toBeGreaterThan(10_000)
    expect(await client.run('evil', '', { type: 'push' })).toMatchObject({ success: true, pushed: true })
    expect(await refsOf(origin)).toContain(`${next.commit} refs/heads/thread-evil\n`)
    for (const _ of [1, 2]) expect((await client.call('POST', client.thread('evil', 'undo'), {})).body.result).toMatchObject({ success: true })
    expect(await readFile(join(await treeOf(client, 'evil'), 'src', 'pages', 'index.astro'), 'utf8')).toBe('<h1>Fresh bread</h1>\n')
    expect(await client.run('evil', 'write last.txt: last')).toMatchObject({ success: true, filesChanged: ['last.txt'] })
    await clean(client)
  })

  it('cannot have its git directory stand for another one', async () => {
    const others = async (): Promise<readonly string[]> =>
      (await refsOf(client.repository)).split('\n').filter((line) => !/\/(thread-)?dotgit(\/|$)/.test(line))
    await client.run('dotgit', 'write first.txt: first')
    const [refs, head] = [await others(), await readFile(join(client.repository, 'HEAD'), 'utf8')]
    const places = [
      `echo "gitdir: ${client.repository}" > .git`,
      ...[client.repository, traps.outside, 'nowhere', '.git', 'src'].map((to) => `ln -s ${to} .git`),
      'mkfifo .git',
      'true',
    ]
    for (const [at, place] of places.entries())
      expect(await client.run('dotgit', `run rm -rf .git; ${place}; echo ${at} > file.txt`), place).toMatchObject({ success: true, filesChanged: ['file.txt'] })
    expect([await others(), await readFile(join(client.repository, 'HEAD'), 'utf8')]).toEqual([refs, head])
    expect((await client.run('dotgit', 'run git log -1 --format=%H')).summary).toContain(await client.git('rev-parse', 'thread-dotgit'))
    await clean(client)
  })

  it('does not have its git fetch what it lacks, nor ask its programs for passwords', async () => {
    const asked = await traps.program('lazy-credential')
    const config = `[remote "lazy"]\n\turl = https://me@127.0.0.1:9/x\n\tpromisor = true\n[http]\n\tsslCert = /nowhere\n\tsslCertPasswordProtected = true\n[credential]\n\thelper = !${asked}\n[core]\n\tsshCommand = ${asked}\n`
    await writeFile(join(traps.folder, 'lazy.config'), config)
    const lazy = `cat ${traps.folder}/lazy.config >> .git/config; rm -f .git/objects/info/alternates; echo x > lazy.txt`
    expect(await plant('lazy', await traps.script('lazy.sh', lazy))).toMatchObject({ success: true, filesChanged: ['lazy.txt'] })
    expect(await client.run('lazy', 'write next.txt: next')).toMatchObject({ success: true })
  })

  it('plants nothing in its home that the next agent process reads', async () => {
    const trap = await traps.program('home')
    const settings = `${traps.folder}/given/.claude/settings.json`
    const home = `
for name in .bashrc .bash_profile .bash_login .profile .zshrc .zshenv .zprofile .bash_logout; do echo ${trap} > "$HOME/$name"; done
for folder in "$HOME/.claude" "$CLAUDE_CONFIG_DIR"; do mkdir -p "$folder"; cp ${settings} "$folder"; cp ${settings} "$folder/settings.local.json"; echo MEMORY-OF-THE-HOME > "$folder/CLAUDE.md"; done
mkdir -p "$HOME/.config/git"; printf '[core]\\n\\tfsmonitor = ${trap}\\n' | tee "$HOME/.gitconfig" > "$HOME/.config/git/config"
cp ${traps.folder}/given/.mcp.json "$HOME/.claude.json"; echo home > home.txt
`
    expect(await plant('home', await traps.script('home.sh', home))).toMatchObject({ filesChanged: ['home.txt'] })
    expect(await client.run('home', 'write same.txt: same')).toMatchObject({ success: true, filesChanged: ['same.txt'] })
    // Going back needs a process of its own, as its conversation is another one then.
    await client.call('POST', client.thread('home', 'undo'), {})
    const next = await client.run('home', 'run git status; ls -a ~ $CLAUDE_CONFIG_DIR; echo $HOME > next.txt')
    expect(next).toMatchObject({ success: true, filesChanged: ['next.txt'] })
    expect(next.summary).not.toMatch(/bashrc|gitconfig|settings/)
    expect(JSON.stringify(model.requests)).not.toContain('MEMORY-OF-THE-HOME')
  })

  it('keeps neither its work from being saved nor its next process from starting by folders that are too deep', async () => {
    const places = ['"$HOME"', '"$TMPDIR"', '"$CLAUDE_CONFIG_DIR"', '.'].map((place) => `(cd ${place}; ${DEEP})`)
    const result = await plant('deep', await traps.script('deep.sh', `${places.join('\n')}\necho kept > kept.txt`))
    expect(result).toMatchObject({ summary: expect.stringContaining('planted'), filesChanged: ['kept.txt'] })
    expect(result.skipped).toEqual([{ path: '.', reason: expect.stringContaining('cannot be read') }])
    expect(await client.run('deep', 'run rm -rf ddd*; echo next > next.txt', { maxCostUsd: 1 })).toMatchObject({ success: true, filesChanged: ['next.txt'] })
  })

  it('has a change saved that leaves time, in seconds, and size of a file as they were', async () => {
    const file = join(await treeOf(client, 'second'), 'same.txt')
    const commit = () => client.run('second', 'a commit', { type: 'commit' })
    const write = async (text: string): Promise<number> => {
      await writeFile(file, text)
      return Math.floor((await stat(file)).ctimeMs / 1000)
    }
    let [before, after] = [0, 1]
    for (let tries = 0; before !== after && tries < 50; tries += 1) {
      before = await write(`one ${tries % 10}`)
      await commit()
      after = await write('two 2')
    }
    expect(after, 'a commit takes less than a second').toBe(before)
    // git compares seconds; what it looks at has to be older than its look.
    await expect.poll(() => Math.floor(Date.now() / 1000), { timeout: 5000 }).toBeGreaterThan(after)
    await commit()
    expect(await client.git('show', 'thread-second:same.txt')).toBe('two 2')
  })
  it('does not keep its work from being saved by files without end that git reads', async () => {
    const sparse = await client.run('sparse', 'run truncate -s 1T .gitignore .gitattributes .gitmodules; echo kept > kept.txt')
    expect(sparse).toMatchObject({ success: true, filesChanged: ['kept.txt'] })
    expect((sparse.skipped ?? []).map(({ path }) => path).toSorted()).toEqual(['.gitattributes', '.gitignore', '.gitmodules'])
  })
  it('puts nothing on its branch that git refuses to fetch', async () => {
    const long = `printf '[submodule "x"]\n\tpath = x\n\turl = --upload-pack=touch\n' > .gitmodules; node -e 'fs.writeFileSync(".gitattributes", "a".repeat(3000) + " text")'; echo kept > kept.txt`
    expect(await plant('refused', await traps.script('refused.sh', long))).toMatchObject({ success: true, filesChanged: ['kept.txt'] })
    expect(await client.run('refused', '', { type: 'push' })).toMatchObject({ success: true })
    expect(await clientOf(service, 'later').run('a', 'write ok.txt: fine')).toMatchObject({ success: true })
  })

  it('builds without leaving anything that a later build meets', async () => {
    const left = `cd "$HOME"; ${DEEP}; echo ${await traps.program('build-home')} > "$HOME/.bashrc"`
    const manifest = { name: 'x', scripts: { build: `sh ${await traps.script('build.sh', left)}` } }
    await client.run('builds', `write package.json: ${JSON.stringify(manifest)}`)
    for (const _ of [1, 2]) expect(await client.run('builds', '', { type: 'build' })).toMatchObject({ success: true })
  })
})

it.skipIf(process.getuid?.() !== 0)('agents wrote nothing outside of their work trees and their own temporary folders (needs root)', async () => {
  await service.terminate()
  const users = ['-uid', `+${FIRST_USER_ID - 1}`, '-uid', `-${FIRST_USER_ID + 1000}`]
  const places = ['/tmp', '/var/tmp', '/dev/shm', '/root', '/home', '/etc']
  // Tests beside this one remove their folders meanwhile; what find could not look into was theirs.
  const { stdout } = await exec('find', [...places, '-ignore_readdir_race', '-xdev', '-newer', traps.hooks, ...users, '-print0'], { maxBuffer: 1e8 }).catch(
    (error: { stdout: string }) => error,
  )
  const found = stdout.split('\0').filter((path) => path !== '' && !path.startsWith(`${traps.folder}/markers/`))
  expect(found.length).toBeGreaterThan(0)
  expect(found.filter((path) => !path.startsWith(service.workspace) || !path.includes('/.worktrees/'))).toEqual([])
})
