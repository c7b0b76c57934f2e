import { messageOf } from './observe/text.ts'

/** The program was called in a way that it does not know. */
export class Usage extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'Usage'
  }
}

/** Errors whose message is written for the person who starts the program. */
const FOR_PEOPLE = new Set([
  'BadConfiguration',
  'BadTokens',
  'VaultLocked',
  'WorkspaceHeld',
  'Fenced',
  'JournalTooNew',
  'JournalDamaged',
  'JournalMissing',
  'JournalElsewhere',
  'JournalUnreadable',
  'JournalUnreachable',
  'OtherFolder',
  'QueuesUnreachable',
  'PortTaken',
  'IsolationUnavailable',
  'SandboxUnavailable',
  'NoClaudeCode',
  'NoNpm',
  'Usage',
  'ServiceSaid',
])

/** What to tell a person about an error that ends the program. */
export function explain(error: unknown): string {
  if (error instanceof Error && error.name === 'ServiceSaid' && 'status' in error && error.status === 401)
    return `The service needs a token that it knows: API_TOKEN in the environment, or --token-file FILE. (${error.message})`
  if (error instanceof Error && FOR_PEOPLE.has(error.name)) return error.message
  // SQLITE_FULL of https://sqlite.org/rescode.html
  if (error instanceof Error && 'errcode' in error && error.errcode === 13)
    return 'The disk of WORKSPACE_PATH is full, so the journal cannot be opened. Make room there, or make the volume larger; nothing is lost.'
  if (error instanceof Error && error.message === 'fetch failed')
    return `The service cannot be reached (${messageOf(error.cause)}). Is it running? Start it with: npm start. Where it is elsewhere, name it by --url.`
  return error instanceof Error ? (error.stack ?? messageOf(error)) : String(error)
}
