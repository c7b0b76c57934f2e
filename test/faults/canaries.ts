import { execFile } from 'node:child_process'
import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'

const exec = promisify(execFile)
const MAX_FILE_BYTES = 64 * 1024 * 1024

const forms = (secret: string): readonly (readonly [string, Buffer])[] => [
  ['plain', Buffer.from(secret)],
  ['base64', Buffer.from(Buffer.from(secret).toString('base64').replace(/=+$/, ''))],
  ['hex', Buffer.from(Buffer.from(secret).toString('hex'))],
  ['URL-encoded', Buffer.from(encodeURIComponent(secret))],
]

/** I10: where secrets turned up that must be nowhere: files of the workspace, every git object, the log. Installed packages are left out. */
export async function hunt(root: string, repositories: readonly string[], secrets: readonly string[], output: string): Promise<readonly string[]> {
  if (secrets.length === 0) return []
  const wanted = secrets.flatMap((secret) => forms(secret).map(([form, bytes]) => ({ name: `${secret.slice(0, 18)}… (${form})`, bytes })))
  const found = new Set<string>()
  const look = (where: string, content: Buffer): void => {
    for (const { name, bytes } of wanted) if (content.includes(bytes)) found.add(`${name} is in ${where}`)
  }
  look('the log', Buffer.from(output))
  for (const repository of repositories) {
    const objects = await exec('git', ['-C', repository, 'cat-file', '--batch-all-objects', '--batch'], { encoding: 'buffer', maxBuffer: 1024 * 1024 * 1024 })
    look(`the objects of ${repository}`, objects.stdout)
  }
  for await (const file of filesBelow(root)) {
    const about = await stat(file).catch(() => undefined)
    if (about?.isFile() === true && about.size <= MAX_FILE_BYTES) look(file, await readFile(file).catch(() => Buffer.alloc(0)))
  }
  return [...found]
}

async function* filesBelow(folder: string): AsyncGenerator<string> {
  for (const entry of await readdir(folder, { withFileTypes: true }).catch(() => [])) {
    if (entry.name === 'node_modules' || entry.name === 'store' || entry.name === 'objects') continue
    const path = join(folder, entry.name)
    if (entry.isDirectory()) yield* filesBelow(path)
    else if (entry.isFile()) yield path
  }
}
