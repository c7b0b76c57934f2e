import { readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestProject } from 'vitest/node'
import { fileURLToPath } from 'node:url'
import { installWrangler } from '../../scripts/folder-packages.ts'
import { installBrowser } from './browser.ts'
import { startContainer } from './container.ts'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { buildImage, NO_IMAGE, noImage, removeLaidOut, TESTED_IMAGE } from './image.ts'

/** Every process that a test starts carries this variable; none may be left when all have run. */
export const MARK = 'BRANCHLINE_TEST_MARK'

export async function setup({ name }: Pick<TestProject, 'name'>): Promise<() => Promise<void>> {
  if (name === 'previews') await installBrowser()
  if (name === 'image') await tellImage()
  if (name === 'cloudflare') installWrangler(fileURLToPath(new URL('../..', import.meta.url)))
  const mark = `${MARK}=${randomBytes(8).toString('hex')}`
  process.env[MARK] = mark.slice(MARK.length + 1)
  return async () => {
    if (name === 'image' && process.env[TESTED_IMAGE] !== undefined) await removeLaidOut()
    for (const folder of readdirSync(tmpdir()))
      if (folder.startsWith(`branchline-installed-${process.env[MARK]}-`)) rmSync(join(tmpdir(), folder), { recursive: true, force: true })
    const left = processesWith(mark).filter((pid) => pid !== process.pid)
    if (left.length > 0) throw new Error(`processes were left behind: ${left.join(', ')}`)
  }
}

/** Builds it once for all tests against it, which are skipped with the reason where that cannot be done. */
async function tellImage(): Promise<void> {
  const missing = await noImage()
  if (missing !== undefined) process.env[NO_IMAGE] = missing
  else {
    const image = await buildImage()
    const { child, remove } = startContainer(image, { command: ['true'] })
    let said = ''
    child.stderr?.on('data', (chunk: Buffer) => (said += chunk.toString('utf8')))
    const [code] = await once(child, 'close')
    await remove()
    if (code === 0) process.env[TESTED_IMAGE] = JSON.stringify(image)
    else process.env[NO_IMAGE] = `runc starts no container here: ${said.slice(-300)}`
  }
}

function processesWith(mark: string): readonly number[] {
  if (process.platform !== 'linux') return []
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/environ`, 'latin1').split('\0').includes(mark) && !readFileSync(`/proc/${pid}/cmdline`, 'latin1').includes('vitest')
      } catch {
        return false // it has ended
      }
    })
    .map(Number)
}
