import { run } from './run.ts'

/**
 * Removes a folder that somebody else has filled, however deep: `rm` goes down folder by folder, where Node's own removal would
 * have to name a path that is longer than a path may be.
 */
export async function removeTree(path: string): Promise<void> {
  const { code, stderr } = await run('/bin/rm', ['-rf', '--', path], { cwd: '/', env: {} })
  if (code !== 0) throw new Error(`${path} could not be removed: ${stderr.toString('utf8').slice(-500)}`)
}
