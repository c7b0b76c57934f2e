import type { Options } from '@anthropic-ai/claude-agent-sdk'
import type { AgentOptions } from './claude-code.ts'

const TOOLS = ['Bash', 'Read', 'Edit', 'Write', 'Glob', 'Grep']
const GUIDANCE = [
  'You work in a checkout of your own, on a branch of its own. The service around you saves every file you leave there as one commit when you have finished, and pushes it when it is told to: do not commit, push or switch branches yourself.',
  'Everything you start is ended with your turn, so leave no servers or watchers running.',
  'Nobody can answer while you work. Begin your last message with one line of at most 72 characters that says what you changed, fit for the subject of a commit.',
].join('\n')

/**
 * How Claude Code is started. Nothing that the repository brings is configuration, as nobody vouches for it, unless the operator
 * has said otherwise for this very workspace.
 */
export function sdkOptions(
  { binary, workTree, env, sessionId, resume, maxBudgetUsd, model, settings, plugin }: AgentOptions,
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
    permissionMode: 'bypassPermissions',
    allowDangerouslySkipPermissions: true,
    // Claude Code records it with a conversation and takes no other one later; what the operator may change is not recorded.
    systemPrompt: { type: 'preset', preset: 'claude_code', append, snapshot: settings === undefined },
    includePartialMessages: true,
    ...(settings?.mcpServers === undefined ? {} : { mcpServers: settings.mcpServers }),
    ...(plugin === undefined ? {} : { plugins: [{ type: 'local', path: plugin }], skills: 'all' as const }),
    ...(resume ? { resume: sessionId } : { sessionId }),
    ...(maxBudgetUsd === undefined ? {} : { maxBudgetUsd }),
    ...(chosen === undefined ? {} : { model: chosen }),
  }
}
