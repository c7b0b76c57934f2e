import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'

const exec = promisify(execFile)
const root = fileURLToPath(new URL('../..', import.meta.url))

/** What our lint says of a file with this content in a room. */
async function lint(room: string, content: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'branchline-lint-'))
  const { options: _, ...rules } = JSON.parse(await readFile(join(root, '.oxlintrc.json'), 'utf8'))
  await writeFile(join(folder, '.oxlintrc.json'), JSON.stringify(rules))
  await mkdir(join(folder, 'src', room), { recursive: true })
  await writeFile(join(folder, 'src', room, 'planted.ts'), content)
  const { stdout } = await exec(join(root, 'node_modules', '.bin', 'oxlint'), ['.'], { cwd: folder }).catch((error: { stdout: string }) => error)
  await rm(folder, { recursive: true })
  return stdout
}

it.each([
  ['engine', "import { httpApp } from '../ways/http/app.ts'\nvoid httpApp\n"],
  ['git', "import { Lanes } from '../engine/lanes.ts'\nvoid Lanes\n"],
  ['workspace', "import { Agents } from '../agent/agents.ts'\nvoid Agents\n"],
  ['preview', "import { Agents } from '../agent/agents.ts'\nvoid Agents\n"],
  ['agent', "import { Previews } from '../preview/previews.ts'\nvoid Previews\n"],
  ['journal', "import { git } from '../git/git.ts'\nvoid git\n"],
  ['command', "import { readFile } from 'node:fs/promises'\nvoid readFile\n"],
  ['engine', "import { spawn } from 'node:child_process'\nvoid spawn\n"],
  ['journal', "import { ring } from '../queues/doorbell.ts'\nvoid ring\n"],
  ['client', "import { Engine } from '../engine/engine.ts'\nvoid Engine\n"],
  ['vault', "import { readFile } from 'node:fs/promises'\nvoid readFile\n"],
  ['ways/github/api', "import { readFile } from 'node:fs/promises'\nvoid readFile\n"],
  ['ways/http', "export { Agents } from '../../agent/agents.ts'\n"],
])('an import against the arrows in %s is refused by the lint', async (room, content) => expect(await lint(room, content)).toContain('no-restricted-imports'))

it('an import along the arrows is not', async () => expect(await lint('engine', "import { git } from '../git/git.ts'\nvoid git\n")).toContain('0 errors'))

it('the environment is read in config.ts alone', async () =>
  expect(await lint('engine', 'export const port = process.env.PORT\n')).toContain('no-restricted-properties'))
