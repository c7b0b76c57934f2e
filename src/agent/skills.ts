import { chmod, cp, mkdir, readdir, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

/** Before their name, as in `operator:pdf`. */
const PLUGIN = 'operator'

/**
 * Copies a folder of skills to where an agent process may read it, as a plugin of Claude Code: its other ways to skills lead
 * through settings that the repository or an earlier run could have written.
 *
 * @returns the folder of the plugin
 */
export async function placeSkills(skills: string, agentFolder: string): Promise<string> {
  const plugin = join(agentFolder, 'plugin')
  await mkdir(join(plugin, '.claude-plugin'), { recursive: true })
  await writeFile(join(plugin, '.claude-plugin', 'plugin.json'), JSON.stringify({ name: PLUGIN, description: 'Skills of the operator', version: '1.0.0' }))
  await cp(skills, join(plugin, 'skills'), { recursive: true, dereference: true })
  const inside = await readdir(plugin, { recursive: true })
  for (const path of [plugin, ...inside.map((name) => join(plugin, name))]) {
    const { mode } = await stat(path)
    await chmod(path, (mode & 0o100) === 0 ? 0o644 : 0o755)
  }
  return plugin
}
