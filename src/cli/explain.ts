import { messageOf } from '../observe/text.ts'

/** Errors whose message is written for the person who starts the service. */
const FOR_PEOPLE = new Set(['BadConfiguration', 'BadTokens', 'WorkspaceHeld', 'JournalTooNew', 'JournalDamaged', 'PortTaken', 'IsolationUnavailable', 'NoClaudeCode', 'NoNpm', 'Usage', 'ServiceSaid'])

/** What to tell a person about an error that ends the program. */
export function explain(error: unknown): string {
  if (error instanceof Error && FOR_PEOPLE.has(error.name)) return error.message
  return error instanceof Error ? (error.stack ?? messageOf(error)) : String(error)
}
