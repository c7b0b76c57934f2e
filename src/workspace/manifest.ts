import { join } from 'node:path'
import { readPlainFile } from '../process/plain-file.ts'

const MANIFEST_BYTES = 1_000_000

/** The `package.json` of a work tree as it is; empty where there is none that can be read. */
export async function readManifest(workTree: string): Promise<Readonly<Record<string, unknown>>> {
  const text = (await readPlainFile(join(workTree, 'package.json'), MANIFEST_BYTES))?.toString('utf8') ?? '{}'
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? { ...value } : {}
  } catch {
    return {} // whoever reads it for its work says so
  }
}

/** Whether a section of it, such as `scripts`, has an entry. */
export const names = (section: unknown, name: string): section is Record<string, unknown> =>
  typeof section === 'object' && section !== null && Object.hasOwn(section, name)
