import { spawnSync } from 'node:child_process'
import { copyFileSync, linkSync } from 'node:fs'
import { chmod } from 'node:fs/promises'
import { join } from 'node:path'
import { findClaudeCode } from '../../src/agent/binary.ts'

/** Why agents cannot run as users of their own here, if they cannot. */
export function noSeparateUsers(): string | undefined {
  if (process.platform !== 'linux') return 'not Linux'
  if (process.getuid?.() !== 0) return 'not root'
  const reached = spawnSync('/usr/bin/test', ['-x', findClaudeCode()], { uid: 30_000, gid: 30_000 }).status === 0
  return reached ? undefined : 'this checkout is in a folder that other users cannot reach'
}

/** This very Node, in a folder where any user can start it. */
export async function nodeForAll(folder: string): Promise<string> {
  const node = join(folder, 'node')
  try {
    linkSync(process.execPath, node)
  } catch {
    copyFileSync(process.execPath, node)
  }
  await chmod(node, 0o755)
  return node
}
