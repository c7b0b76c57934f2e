import type { HookCallback, Options, SpawnOptions } from '@anthropic-ai/claude-agent-sdk'
import { start } from '../process/start.ts'
import type { AgentOptions, ToolUse } from './claude-code.ts'

const TOOLS = ['Bash', 'Read', 'Edit', 'Write', 'Glob', 'Grep', 'AskUserQuestion']
const GUIDANCE = [
  'You work in a checkout of your own, on a branch of its own. The service around you saves every file you leave there as one commit when you have finished, and pushes it when it is told to: do not commit, push or switch branches yourself.',
  'Everything you start is ended with your turn, so leave no servers or watchers running.',
  'Nobody can answer while you work. Where you cannot go on without an answer, use AskUserQuestion: it ends your turn, and the answer comes as the next message.',
  'Begin your last message with one line of at most 72 characters that says what you changed, fit for the subject of a commit.',
].join('\n')

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

export function startClaudeCode(spawn: SpawnOptions, { slot, token }: AgentOptions) {
  const env = Object.fromEntries(Object.entries(spawn.env).filter((entry): entry is [string, string] => entry[1] !== undefined))
  const child = start(spawn.command, spawn.args, {
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

/** Claude Code as it may be run on a repository that nobody vouches for: nothing that the repository brings is configuration. */
export function sdkOptions(
  { binary, workTree, env, sessionId, resume, model }: AgentOptions,
  spawnClaudeCodeProcess: NonNullable<Options['spawnClaudeCodeProcess']>,
): Options {
  return {
    pathToClaudeCodeExecutable: binary,
    spawnClaudeCodeProcess,
    cwd: workTree,
    env: { ...env },
    settingSources: [],
    settings: { cleanupPeriodDays: 3650, crossSessionInbound: 'refuse' },
    strictMcpConfig: true,
    tools: TOOLS,
    // Said to the program itself: the SDK warns, once in each process, that it will not ask about what is allowed anyway.
    extraArgs: { 'permission-mode': 'bypassPermissions' },
    allowDangerouslySkipPermissions: true,
    systemPrompt: { type: 'preset', preset: 'claude_code', append: GUIDANCE },
    includePartialMessages: true,
    ...(resume === undefined ? { sessionId } : goingOn(resume, sessionId)),
    ...(model === undefined ? {} : { model }),
  }
}

/** Another conversation is taken up as a branch of its own, which leaves that one as it is. */
function goingOn({ sessionId: from, at }: NonNullable<AgentOptions['resume']>, sessionId: string): Partial<Options> {
  if (from === sessionId) return { resume: sessionId }
  return { resume: from, forkSession: true, sessionId, ...(at === undefined ? {} : { resumeSessionAt: at }) }
}
