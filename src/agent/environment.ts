import { SLOT_VARIABLE } from '../process/table.ts'
import type { AgentPlace, AgentSettings } from './agents.ts'

const FLAGS = {
  DISABLE_TELEMETRY: '1',
  ENABLE_TOOL_SEARCH: 'false', // the tools are few, and what loads them later is not known to every gateway
  DISABLE_AUTOUPDATER: '1',
  CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1',
  CLAUDE_CODE_DISABLE_AUTO_MEMORY: '1',
  CLAUDE_CODE_DISABLE_GIT_INSTRUCTIONS: '1',
  CLAUDE_CODE_DISABLE_BACKGROUND_TASKS: '1',
  CLAUDE_CODE_DISABLE_CRON: '1',
  CLAUDE_ENABLE_BYTE_WATCHDOG: '1',
  CLAUDE_BYTE_STREAM_IDLE_TIMEOUT_MS: '600000', // the broker notices it first
  CLAUDE_CODE_MAX_RETRIES: '5',
  CLAUDE_CODE_API_KEY_FILE_DESCRIPTOR: '3',
  LANG: 'C.UTF-8',
}

/** Servers of the repository have started when the agent is ready: what starts later belongs to a turn, and is ended with it. */
const WITH_SERVERS = { MCP_CONNECTION_NONBLOCKING: '0' }

interface Way {
  /** Where the broker listens, and what the process shows to it. */
  readonly url: string
  readonly token: string
  /** The repository may bring servers. */
  readonly servers: boolean
}

/** The whole environment of an agent's process: nothing is inherited, and nothing in it is a credential. */
export function agentEnvironment(
  { folders, slot }: AgentPlace,
  { env, path, bedrockRegion }: Pick<AgentSettings, 'env' | 'path' | 'bedrockRegion'>,
  { url, token, servers }: Way,
): Record<string, string> {
  return {
    ...env,
    ...FLAGS,
    PATH: path,
    HOME: folders.home,
    CLAUDE_CONFIG_DIR: folders.config,
    TMPDIR: folders.tmp,
    ...(bedrockRegion === undefined ? { ANTHROPIC_BASE_URL: url } : bedrockEnvironment(url, bedrockRegion, token)),
    ...(servers ? WITH_SERVERS : {}),
    [SLOT_VARIABLE]: slot.slot,
    // Claude Code refuses to run unattended as root unless it is told that this is meant.
    ...(slot.identity.uid === undefined && process.getuid?.() === 0 ? { IS_SANDBOX: '1' } : {}),
  }
}

/** With Bedrock, Claude Code takes no token from a pipe. */
const bedrockEnvironment = (url: string, region: string, token: string): Record<string, string> => ({
  CLAUDE_CODE_USE_BEDROCK: '1',
  CLAUDE_CODE_SKIP_BEDROCK_AUTH: '1',
  ANTHROPIC_BEDROCK_BASE_URL: url,
  AWS_REGION: region,
  ANTHROPIC_AUTH_TOKEN: token,
})
