import { readFileSync, statSync } from 'node:fs'
import { readFile, stat } from 'node:fs/promises'
import { isAbsolute } from 'node:path'
import { BUILTIN_TOOL_NAMES } from '@anthropic-ai/claude-agent-sdk'
import * as z from 'zod'
import type { WorkspaceKey } from '../command/ids.ts'
import { inWords } from '../command/words.ts'
import type { Log } from '../observe/log.ts'
import { messageOf } from '../observe/text.ts'

const NAMES = 'must be names of tools that are built into Claude Code, such as Read or WebSearch'
const FOLDER = 'must be the absolute path of a folder'
const EMPTY = 'must not be empty'
const SERVER = 'must be a server as Claude Code takes one: `command`, `args`, `env`, or `type` http or sse, `url`, `headers`'

const texts = z.record(z.string().min(1).max(200), z.string().max(100_000))
const waiting = { timeout: z.number().int().positive().exactOptional(), alwaysLoad: z.boolean().default(true) }
const McpServer = z.union(
  [
    z.strictObject({
      type: z.literal('stdio').exactOptional(),
      command: z.string().min(1),
      args: z.array(z.string()).exactOptional(),
      env: texts.exactOptional(),
      ...waiting,
    }),
    z.strictObject({
      type: z.enum(['http', 'sse']),
      url: z.url({ protocol: /^https?$/, error: 'must be an address that begins with http:// or https://' }),
      headers: texts.exactOptional(),
      ...waiting,
    }),
  ],
  SERVER,
)

const isFolder = (path: string): boolean => isAbsolute(path) && statSync(path, { throwIfNoEntry: false })?.isDirectory() === true

const WorkspaceSettings = z.strictObject({
  /** The repository's own `.claude/settings.json`, hooks, `CLAUDE.md` and `.mcp.json` count. */
  repositorySettings: z.boolean().optional(),
  mcpServers: z.record(z.string().regex(/^[A-Za-z0-9_-]{1,64}$/, 'must be a name of letters, digits, _ and -'), McpServer).optional(),
  /** In the place of the tools that agents have by default. */
  tools: z.array(z.enum(BUILTIN_TOOL_NAMES, NAMES), NAMES).optional(),
  model: z.string().min(1, EMPTY).max(2000).optional(),
  /** Stands behind what every agent is told. */
  systemPrompt: z.string().min(1, EMPTY).max(100_000).optional(),
  /** A folder with a folder for each skill. */
  skills: z.string().refine(isFolder, FOLDER).optional(),
})

const WORKSPACE = 'must be the ids of a client, a user and a project, with slashes between them'
const Settings = z.strictObject({
  default: WorkspaceSettings.optional(),
  workspaces: z.record(z.string().regex(/^[\w.@-]+\/[\w.@-]+\/[\w.@-]+$/, WORKSPACE), WorkspaceSettings).optional(),
})

type Settings = z.infer<typeof Settings>
/** What the operator says of the agents of one workspace. */
export type WorkspaceSettings = z.infer<typeof WorkspaceSettings>

/** A file of settings cannot be used; each problem names the setting. */
class BadSettings extends Error {
  readonly problems: readonly string[]
  constructor(problems: readonly string[], cause?: unknown) {
    super(problems.join('; '), { cause })
    this.name = 'BadSettings'
    this.problems = problems
  }
}

/** @throws BadSettings */
function parse(text: string): Settings {
  let content: unknown
  try {
    content = JSON.parse(text)
  } catch (error) {
    throw new BadSettings([`is not JSON (${messageOf(error)})`], error)
  }
  const { success, data, error } = Settings.safeParse(content, { error: inWords })
  if (success) return data
  throw new BadSettings(error.issues.map((issue) => [...(issue.path.length > 0 ? [issue.path.join('.')] : []), saidOf(issue)].join(': ')))
}

/** What is wrong with a name is told of the name; the rest is said by the issue itself. */
const saidOf = (issue: z.core.$ZodIssue): string => (issue.code === 'invalid_key' ? (issue.issues[0]?.message ?? issue.message) : issue.message)

/** Everything that is wrong with a file of settings. */
export function settingsProblems(path: string): readonly string[] {
  try {
    parse(readFileSync(path, 'utf8'))
    return []
  } catch (error) {
    return error instanceof BadSettings ? error.problems : [`cannot be read (${messageOf(error)})`]
  }
}

/** The operator's settings of agents, in a file that may change at any time. */
export class SettingsFile {
  readonly #path: string
  readonly #log: Log
  #settings: Settings | undefined
  #version = ''

  constructor(path: string, log: Log) {
    this.#path = path
    this.#log = log
  }

  /** What holds for a workspace: its own setting, else the default one. A file that cannot be used any more leaves what held before. */
  async of(workspace: WorkspaceKey): Promise<WorkspaceSettings> {
    const settings = await this.#read()
    return { ...settings.default, ...settings.workspaces?.[workspace] }
  }

  async #read(): Promise<Settings> {
    const known = this.#settings
    try {
      const { mtimeNs, size, ino } = await stat(this.#path, { bigint: true })
      const version = `${mtimeNs} ${size} ${ino}`
      if (known !== undefined && version === this.#version) return known
      const settings = parse(await readFile(this.#path, 'utf8'))
      this.#settings = settings
      this.#version = version
      return settings
    } catch (error) {
      if (known === undefined) throw error
      this.#log.warn({ event: 'agent_settings.not_read', error: messageOf(error) })
      return known
    }
  }
}
