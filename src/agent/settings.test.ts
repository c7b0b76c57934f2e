import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { ProjectId, ClientId, UserId, workspaceKey } from '../command/ids.ts'
import { openLog } from '../observe/log.ts'
import { SettingsFile, settingsProblems } from './settings.ts'

let [folder, file] = ['', '']
const put = (settings: unknown): Promise<void> => writeFile(file, JSON.stringify(settings))
const problems = async (settings: unknown): Promise<readonly string[]> => {
  await put(settings)
  return settingsProblems(file)
}
const workspace = workspaceKey({ clientId: ClientId.parse('acme'), userId: UserId.parse('ada'), projectId: ProjectId.parse('site') })
const another = workspaceKey({ clientId: ClientId.parse('acme'), userId: UserId.parse('ben'), projectId: ProjectId.parse('site') })

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'branchline-settings-'))
  file = join(folder, 'agents.json')
})
afterEach(() => rm(folder, { recursive: true }))

it('everything that can be set may be set, or left out', async () => {
  const all = {
    repositorySettings: true,
    mcpServers: {
      stdio: { command: 'node', args: ['server.js'], env: { TOKEN: 'x' }, timeout: 1000 },
      typed: { type: 'stdio', command: 'node' },
      http: { type: 'http', url: 'https://mcp.example/', headers: { authorization: 'x' } },
      sse: { type: 'sse', url: 'http://mcp.example/', alwaysLoad: false },
    },
    tools: ['Read', 'WebSearch'],
    model: 'claude-opus-5',
    systemPrompt: 'Be brief.',
    skills: folder,
  }
  for (const settings of [{}, { default: {} }, { default: all, workspaces: { 'acme/ada/site': all } }]) expect(await problems(settings)).toEqual([])
})

it.each([
  [[], 'must be an object'],
  [{ others: {} }, 'Unrecognized key: "others"'],
  [{ default: { tool: [] } }, 'default: Unrecognized key: "tool"'],
  [{ default: { repositorySettings: 'yes' } }, 'default.repositorySettings: must be true or false'],
  [{ default: { tools: 'Read' } }, 'default.tools: must be names of tools'],
  [{ workspaces: { 'a/b/c': { tools: ['Reed'] } } }, 'workspaces.a/b/c.tools.0: must be names of tools'],
  [{ workspaces: { 'a/b': {} } }, 'workspaces.a/b: must be the ids of a client, a user and a project'],
  [{ default: { skills: 'skills' } }, 'default.skills: must be the absolute path of a folder'],
  [{ default: { skills: '/nowhere/at/all' } }, 'default.skills: must be the absolute path of a folder'],
  [{ default: { mcpServers: { 'a b': { command: 'x' } } } }, 'default.mcpServers.a b: must be a name of'],
  [{ default: { mcpServers: { a: { command: 'x', url: 'y' } } } }, 'default.mcpServers.a: Unrecognized key: "url"'],
  [{ default: { mcpServers: { a: { type: 'http', url: 'file:///etc/passwd' } } } }, 'default.mcpServers.a.url: must be an address'],
  [{ default: { mcpServers: { a: {} } } }, 'default.mcpServers.a: must be a server as Claude Code takes one'],
  [{ default: { model: '' } }, 'default.model: '],
])('%j is refused', async (settings, problem) => expect((await problems(settings)).join('\n')).toContain(problem))

it('every problem is told, and a file that is no JSON or cannot be read is one', async () => {
  expect(await problems({ default: { model: 1 }, workspaces: { 'a/b/c': { systemPrompt: 2 } } })).toHaveLength(2)
  await writeFile(file, '{')
  expect(settingsProblems(file)).toEqual([expect.stringContaining('is not JSON')])
  expect(settingsProblems(join(folder, 'none'))).toEqual([expect.stringContaining('cannot be read')])
})

it('what is set for a workspace holds before what is set for all', async () => {
  await put({ default: { model: 'a', systemPrompt: 'p' }, workspaces: { 'acme/ada/site': { model: 'b' } } })
  const settings = new SettingsFile(
    file,
    openLog('silent', (text) => text),
  )
  expect(await settings.of(workspace)).toEqual({ model: 'b', systemPrompt: 'p' })
  expect(await settings.of(another)).toEqual({ model: 'a', systemPrompt: 'p' })
  await writeFile(`${file}.next`, JSON.stringify({ default: { model: 'c', systemPrompt: 'p' } }))
  await rename(`${file}.next`, file)
  expect(await settings.of(workspace)).toEqual({ model: 'c', systemPrompt: 'p' })
  await rm(file)
  expect(await settings.of(workspace)).toEqual({ model: 'c', systemPrompt: 'p' })
  await put({})
  expect(await settings.of(workspace)).toEqual({})
})
