import { existsSync } from 'node:fs'
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/**
 * The folder of the example site. The npm package carries it as one JSON file, path to content, because npm leaves
 * `.gitignore` and lockfiles out of packages; it is written out into `beside` then.
 */
export async function exampleSite(beside: string): Promise<string> {
  const inCheckout = fileURLToPath(new URL('../examples/site', import.meta.url))
  if (existsSync(inCheckout)) return inCheckout
  const files: Record<string, string> = JSON.parse(await readFile(new URL('./example.json', import.meta.url), 'utf8'))
  const folder = join(beside, 'example')
  await rm(folder, { recursive: true, force: true })
  for (const [path, content] of Object.entries(files)) {
    await mkdir(dirname(join(folder, path)), { recursive: true })
    await writeFile(join(folder, path), content)
  }
  return folder
}
