import { createRequire } from 'node:module'

/** Claude Code for this machine is not installed. */
export class NoClaudeCode extends Error {
  constructor(wanted: string) {
    super(`Claude Code is not installed for this machine (${wanted}). Install the dependencies again, with optional ones: npm ci --ignore-scripts`)
    this.name = 'NoClaudeCode'
  }
}

/**
 * The program of Claude Code that was installed with its SDK, of the very version that this one speaks.
 *
 * @throws NoClaudeCode
 */
export function findClaudeCode(): string {
  const { resolve } = createRequire(createRequire(import.meta.url).resolve('@anthropic-ai/claude-agent-sdk'))
  const base = `@anthropic-ai/claude-agent-sdk-${process.platform}-${process.arch}`
  for (const name of process.platform === 'linux' && isMusl() ? [`${base}-musl`] : [base]) {
    try {
      return resolve(`${name}/claude${process.platform === 'win32' ? '.exe' : ''}`)
    } catch {
      // said below, with its name
    }
  }
  throw new NoClaudeCode(base)
}

function isMusl(): boolean {
  const report: unknown = process.report.getReport()
  const header = typeof report === 'object' && report !== null && 'header' in report ? report.header : undefined
  return typeof header === 'object' && header !== null && !('glibcVersionRuntime' in header)
}
