import type { Options } from '@anthropic-ai/claude-agent-sdk'
import type { AgentOptions } from './claude-code.ts'

const TOOLS = ['Bash', 'Read', 'Edit', 'Write', 'Glob', 'Grep', 'AskUserQuestion', 'TaskCreate', 'TaskUpdate']
const GUIDANCE = [
  'You work in a checkout of your own, on a branch of its own. The service around you saves every file you leave there as one commit when you have finished, and pushes it when it is told to: do not commit, push or switch branches yourself.',
  'Everything you start is ended with your turn, so leave no servers or watchers running.',
  'Nobody can answer while you work. Where you cannot go on without an answer, use AskUserQuestion: it ends your turn, and the answer comes as the next message.',
  'Begin your last message with one line of at most 72 characters that says what you changed, fit for the subject of a commit.',
].join('\n')

/**
 * How Claude Code is started. Nothing that the repository brings is configuration, as nobody vouches for it, unless the operator
 * has said otherwise for this very workspace.
 */
export function sdkOptions(
  { binary, workTree, env, sessionId, resume, model, settings, plugin }: AgentOptions,
  spawnClaudeCodeProcess: NonNullable<Options['spawnClaudeCodeProcess']>,
): Options {
  const trusted = settings?.repositorySettings === true
  const chosen = settings?.model ?? model
  const tools = settings?.tools ?? TOOLS
  const append = settings?.systemPrompt === undefined ? GUIDANCE : `${GUIDANCE}\n${settings.systemPrompt}`
  return {
    pathToClaudeCodeExecutable: binary,
    spawnClaudeCodeProcess,
    cwd: workTree,
    env: { ...env },
    settingSources: trusted ? ['project'] : [],
    settings: { cleanupPeriodDays: 3650, crossSessionInbound: 'refuse', ...(trusted ? { enableAllProjectMcpServers: true } : {}) },
    strictMcpConfig: !trusted,
    tools: plugin === undefined ? tools : [...new Set([...tools, 'Skill'])],
    // Said to the program itself: the SDK warns, once in each process, that it will not ask about what is allowed anyway.
    extraArgs: { 'permission-mode': 'bypassPermissions' },
    allowDangerouslySkipPermissions: true,
    // Claude Code records it with a conversation and takes no other one later; what the operator may change is not recorded.
    systemPrompt: { type: 'preset', preset: 'claude_code', append, snapshot: settings === undefined },
    includePartialMessages: true,
    ...(settings?.mcpServers === undefined ? {} : { mcpServers: settings.mcpServers }),
    ...(plugin === undefined ? {} : { plugins: [{ type: 'local', path: plugin }], skills: 'all' as const }),
    ...(resume === undefined ? { sessionId } : goingOn(resume, sessionId)),
    ...(chosen === undefined ? {} : { model: chosen }),
  }
}

/** Another conversation is taken up as a branch of its own, which leaves that one as it is. */
function goingOn({ sessionId: from, at }: NonNullable<AgentOptions['resume']>, sessionId: string): Partial<Options> {
  if (from === sessionId) return { resume: sessionId }
  return { resume: from, forkSession: true, sessionId, ...(at === undefined ? {} : { resumeSessionAt: at }) }
}
