import { execFile } from 'node:child_process'
import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, expect, it } from 'vitest'

const exec = promisify(execFile)
const root = fileURLToPath(new URL('../..', import.meta.url))
const planted: string[] = []
afterAll(() => Promise.all(planted.map((file) => rm(file, { force: true }))))

/** What the lint says of a file with this content in a room. */
async function lint(room: string, content: string): Promise<string> {
  const file = join(root, 'src', room, 'planted-by-a-test.ts')
  planted.push(file)
  await writeFile(file, content)
  const { stdout } = await exec(join(root, 'node_modules', '.bin', 'oxlint'), [file], { cwd: root }).catch((error: { stdout: string }) => error)
  await rm(file)
  return stdout
}

it.each([
  ['engine', "import { httpApp } from '../ways/http/app.ts'\nvoid httpApp\n"],
  ['git', "import { Lanes } from '../engine/lanes.ts'\nvoid Lanes\n"],
  ['workspace', "import { Agents } from '../agent/agents.ts'\nvoid Agents\n"],
  ['journal', "import { git } from '../git/git.ts'\nvoid git\n"],
  ['command', "import { readFile } from 'node:fs/promises'\nvoid readFile\n"],
  ['engine', "import { spawn } from 'node:child_process'\nvoid spawn\n"],
  ['ways/http', "export { Agents } from '../../agent/agents.ts'\n"],
])('an import against the arrows in %s is refused by the lint', async (room, content) => expect(await lint(room, content)).toContain('no-restricted-imports'))

it('the environment is read in config.ts alone', async () =>
  expect(await lint('engine', 'export const port = process.env.PORT\n')).toContain('no-restricted-properties'))
