import { mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { branchRef, defaultBranch, treeOf } from './branch.ts'
import { listFiles, readFileAt } from './diff.ts'
import { createRepository } from './repository.ts'
import { NoSuchPlace, withFile, writeBlob } from './write-file.ts'

let [folder, gitDir, tree] = ['', '', '']

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'branchline-write-'))
  const first = join(folder, 'first')
  await mkdir(join(first, 'sub'), { recursive: true })
  await writeFile(join(first, 'a.txt'), 'a\n')
  await writeFile(join(first, 'run.sh'), '#!/bin/sh\n', { mode: 0o755 })
  await writeFile(join(first, 'sub', 'b.txt'), 'b\n')
  await symlink('/etc/passwd', join(first, 'link'))
  gitDir = join(folder, 'repository')
  await createRepository(gitDir, { kind: 'files', folder: first }, { author: { name: 'Test', email: 'test@example.com' }, onProgress: () => {} })
  tree = await treeOf(gitDir, branchRef(await defaultBranch(gitDir)))
})
afterEach(() => rm(folder, { recursive: true, force: true }))

const put = async (path: string, content = 'new\n') =>
  withFile(gitDir, tree, { path, blob: await writeBlob(gitDir, Buffer.from(content)) }, join(folder, 'index'))

it('replaces one file, adds one in new folders, and leaves all others and their modes', async () => {
  for (const path of ['a.txt', 'sub/b.txt', 'run.sh', 'new/deep/c.txt', ':(top)d.txt', '*.txt', 'å b.txt']) {
    const made = await put(path)
    expect((await readFileAt(gitDir, made, path))?.content.toString()).toBe('new\n')
    const [before, after] = [await listFiles(gitDir, tree), await listFiles(gitDir, made)]
    const others = (files: typeof before) => files.filter((file) => file.path !== path)
    expect(others(after)).toEqual(others(before))
  }
  expect(await readdir(folder)).toEqual(['first', 'repository'])
})

it.each([
  '.git/config',
  '.git',
  'sub/.git/hooks/x',
  '.GIT/config',
  'git~1/x',
  '../x',
  'sub/../../x',
  './a.txt',
  'sub//b.txt',
  'sub/',
  '/etc/x',
  'a.txt/x',
  'link/x',
  '',
  'n'.repeat(256),
  '😀'.repeat(64),
  `${'d/'.repeat(100)}x`,
])('takes no file named %.20j', async (path) => {
  await expect(put(path)).rejects.toThrow(NoSuchPlace)
  expect(await readdir(folder)).toEqual(['first', 'repository'])
})

it('writes through no link, and in place of no folder', async () => {
  await expect(put('link')).rejects.toThrow('is a link')
  await expect(put('sub')).rejects.toThrow('is a folder')
})
