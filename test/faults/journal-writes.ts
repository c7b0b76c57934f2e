// Run under strace: records some commands, and writes which of them were acknowledged and which refused, one JSON object a line.
import { commandHash } from '../../src/command/command.ts'
import { NotRecorded } from '../../src/journal/journal.ts'
import { openSqliteJournal } from '../../src/journal/sqlite/open.ts'
import { command } from '../contract/records.ts'

const COMMANDS = 6
const say = (line: object): void => void process.stdout.write(`${JSON.stringify(line)}\n`)

const journal = await openSqliteJournal(process.argv[2] ?? '')
for (let n = 0; n < COMMANDS; n += 1) {
  const of = command(`c${n}`, `t${n}`, { instruction: 'x'.repeat(3000) })
  try {
    const { outcome } = await journal.accept({ command: of, hash: await commandHash(of), way: 'http', at: 1, begin: false })
    say({ id: of.commandId, outcome })
  } catch (error) {
    if (!(error instanceof NotRecorded)) throw error
    say({ id: of.commandId, outcome: 'refused' })
  }
}
process.exit(0) // as a service that is ended hard: nothing is put in order
