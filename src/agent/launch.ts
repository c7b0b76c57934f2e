import type { HookCallback, Options, SpawnOptions } from '@anthropic-ai/claude-agent-sdk'
import { start } from '../process/start.ts'
import type { AgentOptions, ToolUse } from './claude-code.ts'

/** Tools that may change files. */
const CHANGING = 'Bash|Edit|Write'

export function hooks(note: (use: ToolUse) => Promise<void>): NonNullable<Options['hooks']> {
  const callback =
    (when: ToolUse['when']): HookCallback =>
    async (input) => {
      if ('tool_name' in input) await note({ when, tool: input.tool_name, input: input.tool_input })
      return {}
    }
  const [before, after] = [callback('before'), callback('after')]
  return {
    PreToolUse: [{ matcher: 'Bash', hooks: [before] }],
    PostToolUse: [{ matcher: CHANGING, hooks: [after] }],
    PostToolUseFailure: [{ matcher: CHANGING, hooks: [after] }],
  }
}

export function startClaudeCode(spawn: SpawnOptions, { slot, token, sandboxed }: AgentOptions) {
  const env = Object.fromEntries(Object.entries(spawn.env).filter((entry): entry is [string, string] => entry[1] !== undefined))
  const [file, args] = sandboxed(spawn.command, spawn.args)
  const child = start(file, args, {
    cwd: spawn.cwd ?? '/',
    env,
    as: slot.identity,
    umask: 0o007,
    contained: true,
    stdio: ['pipe', 'pipe', 'ignore', 'pipe'],
    detached: true,
  })
  const [stdin, stdout, , pipe] = child.stdio
  if (!stdin || !stdout || !pipe || !('write' in pipe)) throw new Error('Claude Code was started without its pipes')
  pipe.on('error', () => {}) // it ended before it read its token; that is seen elsewhere
  stdin.on('error', () => {})
  pipe.end(token)
  return Object.assign(child, { stdin, stdout })
}
