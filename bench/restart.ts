import { rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { clientOf } from '../test/support/client.ts'
import { standIn } from '../test/support/failpoints.ts'
import { startService, temporaryFolder, type Service } from '../test/support/service.ts'
import { complain, inTurns, SERVICE_ENV, type Subject } from './support.ts'

const ROUNDS = 3
const THREADS = 10_000
const COMMANDS = 100_000
const MB = 1024 * 1024

interface Restart {
  readonly healthy: number
  readonly goingOn: number
  readonly megabytes: number
}

/** A start after kill -9, with a command that was interrupted by it: on a folder with a long past, and on one without. */
export const restart: Subject<'healthy' | 'goingOn' | 'memory' | 'size'> = {
  figures: {
    healthy: { name: `restart to healthy with ${THREADS} threads and ${COMMANDS} past commands, against none`, unit: 'ms', goal: 3 },
    goingOn: { name: 'restart to the interrupted command going on, with that past, against none', unit: 'ms', goal: 3 },
    memory: { name: 'memory after that restart, against none', unit: 'MB', goal: 2 },
    size: { name: 'journal per past command, against its message and result as JSON', unit: 'bytes' },
  },
  async measure() {
    await using parts = new AsyncDisposableStack()
    const service = async (): Promise<Service> => {
      const folder = await temporaryFolder()
      parts.defer(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }))
      return parts.use(await startService({ env: { ...SERVICE_ENV, ...standIn, MIN_RUN_MS: '0' }, destroyed: true }))
    }
    const [old, young] = [await service(), await service()]
    await clientOf(old).run('before', 'write a.txt: a')
    await clientOf(young).run('before', 'write a.txt: a')
    await old.terminate()
    const bare = addPast(old.workspace)
    const bytes = (await stat(join(old.workspace, '.branchline', 'journal.sqlite'))).size / COMMANDS
    await old.restart()

    const restarted = async (of: Service, round: number): Promise<Restart> => {
      const client = clientOf(of)
      const thread = `live-${round}`
      const id = await client.post(thread, 'run sleep 60')
      await client.event(thread, (event) => event.type === 'tool.started' && event.commandId === id)
      await of.kill()
      const began = performance.now()
      await of.restart()
      const answer = await fetch(`${of.url}/health`)
      const healthy = performance.now() - began
      if (answer.status !== 200) throw complain(of, `/health answered ${answer.status}`)
      const { memory } = (await answer.json()) as { memory: { rssBytes: number } }
      await client.event(thread, (event) => event.type === 'tool.started' && event.runId === `${id}#2`)
      const goingOn = performance.now() - began
      await client.call('POST', client.thread(thread, 'interrupt'), {})
      await client.result(id)
      return { healthy, goingOn, megabytes: memory.rssBytes / MB }
    }
    const restarts = await inTurns(ROUNDS, { old: (round) => restarted(old, round), young: (round) => restarted(young, round) })
    const of = (side: keyof typeof restarts, what: keyof Restart): readonly number[] => restarts[side].map((each) => each[what])
    return {
      healthy: { ours: of('old', 'healthy'), baseline: of('young', 'healthy') },
      goingOn: { ours: of('old', 'goingOn'), baseline: of('young', 'goingOn') },
      memory: { ours: of('old', 'megabytes'), baseline: of('young', 'megabytes') },
      size: { ours: [bytes], baseline: [bare] },
    }
  },
}

/** Ten ended commands in each of many threads, as the service leaves them; answers how long message and result of one are, in bytes. */
function addPast(workspace: string): number {
  const database = new DatabaseSync(join(workspace, '.branchline', 'journal.sqlite'))
  const numbers = (count: number): string => `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${count})`
  const thread = (i: string): string => `'past-' || (${i} % ${THREADS})`
  const columns = 'client_id, user_id, project_id, thread_id, command_id, way, hash, command, state, attempt, result, accepted_at, begun_at, ended_at'
  try {
    database.exec(`
      CREATE TEMP TABLE ended AS SELECT * FROM commands WHERE state = 'ended' LIMIT 1;
      CREATE TEMP TABLE point AS SELECT * FROM checkpoints LIMIT 1;
      BEGIN;
      ${numbers(THREADS)} INSERT INTO threads (client_id, user_id, project_id, thread_id, slot, session_id, base, created_at, last_active_at)
        SELECT 'acme', 'me', 'project', ${thread('i')}, lower(hex(randomblob(6))), lower(hex(randomblob(16))), lower(hex(randomblob(20))), i, i FROM n;
      ${numbers(THREADS)} INSERT INTO names (scope, id, name, folded)
        SELECT 'threads of acme/me/project', ${thread('i')}, ${thread('i')}, ${thread('i')} FROM n;
      ${numbers(COMMANDS)} INSERT INTO commands (${columns})
        SELECT client_id, user_id, project_id, ${thread('i')}, lower(hex(randomblob(16))), way, lower(hex(randomblob(32))),
          json_set(command, '$.threadId', ${thread('i')}), state, attempt, result, accepted_at - i, begun_at - i, ended_at - i
        FROM n CROSS JOIN ended;
      ${numbers(COMMANDS)} INSERT INTO checkpoints (client_id, user_id, project_id, thread_id, commit_id, parent, subject, outcome, command_id, at)
        SELECT client_id, user_id, project_id, ${thread('i')}, lower(hex(randomblob(20))), parent, subject, outcome, lower(hex(randomblob(16))), at - i
        FROM n CROSS JOIN point;
      COMMIT;
      PRAGMA wal_checkpoint(TRUNCATE);
    `)
    const row = database.prepare("SELECT length(command) + length(result) AS bytes FROM commands WHERE state = 'ended' LIMIT 1").get()
    return Number(row?.['bytes'])
  } finally {
    database.close()
  }
}
