import { execFile } from 'node:child_process'
import { chmod, mkdir, mkdtemp, readFile, rm, symlink, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { branchRef, defaultBranch, resolve, treeOf } from './branch.ts'
import { checkout } from './checkout.ts'
import { damageOf } from './damage.ts'
import { listFiles, readFileAt } from './diff.ts'
import { createRepository } from './repository.ts'
import { stage, type Checkout } from './stage.ts'

const exec = promisify(execFile)
const author = { name: 'Test', email: 'test@example.com' }
let [folder, at]: [string, Checkout] = ['', undefined!]

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'branchline-stage-'))
  const first = join(folder, 'first')
  await mkdir(first)
  await writeFile(join(first, 'a.txt'), 'a\n')
  await mkdir(join(first, 'sub'))
  await writeFile(join(first, 'sub', 'b.txt'), 'b\n')
  at = { gitDir: join(folder, 'repository'), workTree: join(folder, 'tree'), indexFile: join(folder, 'index') }
  await createRepository(at.gitDir, { kind: 'files', folder: first }, { author, onProgress: () => {} })
  await mkdir(at.workTree)
  const tip = await resolve(at.gitDir, branchRef(await defaultBranch(at.gitDir)))
  await checkout(at, tip ?? '')
})
afterEach(() => rm(folder, { recursive: true, force: true }))

const inTree = (...parts: string[]): string => join(at.workTree, ...parts)
async function staged() {
  const { tree, skipped } = await stage(at, (content) => content.includes('SECRET'))
  return { files: (await listFiles(at.gitDir, tree)).map((file) => file.path), skipped, tree }
}

it('names that git takes for patterns are names', async () => {
  for (const name of [':!x', ':^', ':(attr:y)z', ':(bogus)c', ':/']) await writeFile(inTree(name.replaceAll('/', '')), 'x').catch(() => {})
  await mkdir(inTree(':(top)d'))
  await writeFile(inTree(':(top)d', 'e'), 'e')
  expect((await staged()).files).toEqual(expect.arrayContaining([':!x', ':^', ':(attr:y)z', ':(bogus)c', ':(top)d/e']))
})

it('a repository that began empty is not taken for a damaged one', async () => {
  const empty = join(folder, 'empty')
  await createRepository(empty, { kind: 'empty' }, { author, onProgress: () => {} })
  expect(await damageOf(empty)).toBeUndefined()
  expect(await damageOf(at.gitDir)).toBeUndefined()
})

it('an untouched work tree has the tree of its commit', async () => {
  const tip = await resolve(at.gitDir, branchRef('main'))
  expect((await staged()).tree).toBe(await treeOf(at.gitDir, tip ?? ''))
})

it('files that came, went and changed are seen', async () => {
  await rm(inTree('a.txt'))
  await writeFile(inTree('sub', 'b.txt'), 'changed\n')
  await writeFile(inTree('c.txt'), 'c\n')
  expect((await staged()).files).toEqual(['c.txt', 'sub/b.txt'])
})

describe('nested repositories', () => {
  it('are saved file by file, with commits or without, and without what they ignore', async () => {
    for (const name of ['empty', 'full']) {
      await exec('git', ['init', '-q', inTree(name)])
      await writeFile(inTree(name, 'file.txt'), name)
      await writeFile(inTree(name, 'noise.log'), 'noise')
      await writeFile(inTree(name, '.gitignore'), '*.log\n')
    }
    await exec('git', ['-C', inTree('full'), 'add', '-A'])
    await exec('git', ['-C', inTree('full'), '-c', 'user.name=x', '-c', 'user.email=x', 'commit', '-qm', 'x'])
    expect((await staged()).files).toEqual(['a.txt', 'empty/.gitignore', 'empty/file.txt', 'full/.gitignore', 'full/file.txt', 'sub/b.txt'])
  })
})

describe('what cannot be saved', () => {
  it('is skipped and reported, and the rest is saved', async () => {
    await exec('mkfifo', [inTree('pipe')])
    await writeFile(inTree('big.bin'), '')
    await truncate(inTree('big.bin'), 60_000_000)
    await writeFile(inTree('key.txt'), 'a SECRET of the service')
    await writeFile(inTree('fine.txt'), 'fine')
    const { files, skipped } = await staged()
    expect(files).toEqual(['a.txt', 'fine.txt', 'sub/b.txt'])
    expect(skipped.map((each) => each.path).toSorted()).toEqual(['big.bin', 'key.txt', 'pipe'])
  })
  it('names that git refuses do not keep others from being saved', async () => {
    await mkdir(inTree('.GIT'))
    await writeFile(inTree('.GIT', 'config'), 'x')
    await mkdir(inTree('git~1'))
    await writeFile(inTree('git~1', 'config'), 'x')
    await writeFile(inTree('fine.txt'), 'fine')
    const { files, skipped } = await staged()
    expect(files).toEqual(['a.txt', 'fine.txt', 'sub/b.txt'])
    expect(skipped.map((each) => each.path)).toEqual(['.GIT/config', 'git~1/config'])
  })
})

it('names of every kind are saved', async () => {
  const names = ['with space', 'with\nnewline', '-rf', '--output=x', 'ünïcode', '*', "'quote'"]
  for (const name of names) await writeFile(inTree(name), 'x')
  await writeFile(Buffer.concat([Buffer.from(`${at.workTree}/`), Buffer.from([0x66, 0xff, 0xfe])]), 'x')
  const { files, skipped } = await staged()
  expect(files).toEqual(expect.arrayContaining(names))
  expect(files).toHaveLength(names.length + 3)
  expect(skipped).toEqual([])
})

describe('links', () => {
  it('are stored as links and never followed', async () => {
    await symlink('/etc/passwd', inTree('link'))
    await symlink('/etc', inTree('folder-link'))
    expect((await staged()).files).toEqual(['a.txt', 'folder-link', 'link', 'sub/b.txt'])
  })
  it('in the place of a folder remove what was in it and read nothing behind them', async () => {
    const outside = join(folder, 'outside')
    await mkdir(outside)
    await writeFile(join(outside, 'b.txt'), 'SECRET outside')
    await rm(inTree('sub'), { recursive: true })
    await symlink(outside, inTree('sub'))
    const { files, skipped } = await staged()
    expect(files).toEqual(['a.txt', 'sub'])
    expect(skipped).toEqual([])
  })
})

it('a file in the place of a folder and a folder in the place of a file are saved', async () => {
  await rm(inTree('sub'), { recursive: true })
  await writeFile(inTree('sub'), 'now a file')
  await rm(inTree('a.txt'))
  await mkdir(inTree('a.txt'))
  await writeFile(inTree('a.txt', 'inside'), 'x')
  expect((await staged()).files).toEqual(['a.txt/inside', 'sub'])
})

it('nothing that the repository brings runs when it is saved', async () => {
  const marker = join(folder, 'marker')
  const evil = inTree('evil.sh')
  await writeFile(evil, `#!/bin/sh\ntouch ${marker}\ncat\n`)
  await chmod(evil, 0o755)
  await writeFile(inTree('.gitattributes'), '* filter=evil diff=evil merge=evil\n')
  await mkdir(inTree('.git', 'hooks'), { recursive: true })
  await writeFile(
    inTree('.git', 'config'),
    `[core]\n\tfsmonitor = ${evil}\n\thooksPath = ${inTree('.git', 'hooks')}\n[filter "evil"]\n\tclean = ${evil}\n\tsmudge = ${evil}\n`,
  )
  await writeFile(inTree('.git', 'hooks', 'post-index-change'), `#!/bin/sh\ntouch ${marker}\n`, { mode: 0o755 })
  await writeFile(inTree('c.txt'), 'c')
  expect((await staged()).files).toEqual(['.gitattributes', 'a.txt', 'c.txt', 'evil.sh', 'sub/b.txt'])
  await expect(readFile(marker)).rejects.toThrow('ENOENT')
})

it('files below a link to another repository are saved as files', async () => {
  const commit = await resolve(at.gitDir, branchRef('main'))
  await exec('git', ['update-index', '--add', '--cacheinfo', `160000,${commit},linked`], {
    env: { ...process.env, GIT_DIR: at.gitDir, GIT_INDEX_FILE: at.indexFile },
  })
  await mkdir(inTree('linked'))
  expect((await staged()).files).not.toContain('linked/new.txt')
  await writeFile(inTree('linked', 'new.txt'), 'x')
  expect((await staged()).files).toContain('linked/new.txt')
})

it('attributes of the work tree do not decide which bytes are stored', async () => {
  await writeFile(inTree('.gitattributes'), '* text eol=crlf ident working-tree-encoding=UTF-16\n')
  await writeFile(inTree('raw.txt'), 'one\r\n$Id$\n')
  const { tree, skipped } = await staged()
  expect(skipped).toEqual([])
  expect((await readFileAt(at.gitDir, tree, 'raw.txt'))?.content.toString()).toBe('one\r\n$Id$\n')
})

it('installed dependencies are never content', async () => {
  await mkdir(inTree('node_modules', 'x'), { recursive: true })
  await writeFile(inTree('node_modules', 'x', 'index.js'), 'x')
  expect((await staged()).files).toEqual(['a.txt', 'sub/b.txt'])
})
