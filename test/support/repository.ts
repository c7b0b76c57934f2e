import { execFile } from 'node:child_process'
import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'

const exec = promisify(execFile)
const IDENTITY = ['-c', 'user.name=Test', '-c', 'user.email=test@example.com']

/** A small bare repository with one commit on `main`, to be cloned from. */
export async function makeRepository(
  folder: string,
  files: Readonly<Record<string, string>> = { 'README.md': 'A small site\n', 'src/pages/index.astro': '<h1>Fresh bread</h1>\n' },
): Promise<string> {
  const [tree, bare] = [join(folder, 'tree'), join(folder, 'origin.git')]
  await mkdir(tree, { recursive: true })
  await exec('git', ['init', '-q', '-b', 'main', tree])
  for (const [name, content] of Object.entries(files)) {
    await mkdir(dirname(join(tree, name)), { recursive: true })
    await writeFile(join(tree, name), content)
  }
  await commitAll(tree, 'Begin')
  await exec('git', ['clone', '-q', '--bare', tree, bare])
  return bare
}

/** Commits all files of a work tree. */
export async function commitAll(tree: string, subject: string): Promise<void> {
  await exec('git', ['-C', tree, 'add', '-A'])
  await exec('git', ['-C', tree, ...IDENTITY, 'commit', '-q', '-m', subject])
}
