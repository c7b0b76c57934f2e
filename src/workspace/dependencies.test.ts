import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { linkDependencies } from './dependencies.ts'

let folder = ''
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'branchline-unit-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

const same = { level: 'same', agent: () => ({}), preview: () => ({}), install: () => ({}), owns: () => false } as const

it('a link in the place of what npm has noted shows nobody what it leads to', async () => {
  const [store, workTree] = [join(folder, 'store'), join(folder, 'tree')]
  await mkdir(join(store, 'key', 'node_modules', 'dear'), { recursive: true })
  await mkdir(workTree)
  await writeFile(join(folder, 'journal'), 'the journal')
  await writeFile(join(store, 'key', 'node_modules', 'dear', 'index.js'), '1')
  await symlink(join(folder, 'journal'), join(store, 'key', 'node_modules', '.package-lock.json'))
  const options = { store, identities: same, slot: 'x', npm: '', networkEnv: {}, scripts: false, onProgress: () => {} }
  await linkDependencies(workTree, 'key', 0, options)
  expect(await readFile(join(workTree, 'node_modules', 'dear', 'index.js'), 'utf8')).toBe('1')
  const linked = await readFile(join(workTree, 'node_modules', '.package-lock.json'), 'utf8').catch(() => 'nothing')
  expect(linked).not.toBe('the journal')
})
