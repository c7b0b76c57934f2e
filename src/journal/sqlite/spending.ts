import type { ThreadRef, WorkspaceId } from '../../command/ids.ts'
import type { Spent, Usage } from '../../command/spending.ts'
import type { CommandRef, DayCost } from '../journal.ts'
import { find, keyOf } from './accept.ts'
import { COMMAND, THREAD, threadValues } from './keys.ts'
import { usageFrom } from './rows.ts'
import type { Statements } from './statements.ts'

const SUMS =
  'sum(cost_usd) AS cost_usd, sum(input) AS input, sum(output) AS output, sum(cache_read) AS cache_read, sum(cache_write) AS cache_write, sum(requests) AS requests'

export function spend(statements: Statements, of: CommandRef, day: string, { costUsd, tokens }: Usage): Spent {
  const { input, output, cacheRead, cacheWrite } = tokens
  statements
    .prepare(
      `INSERT INTO spending (client_id, user_id, project_id, command_id, day, cost_usd, input, output, cache_read, cache_write, requests)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1)
       ON CONFLICT DO UPDATE SET cost_usd = cost_usd + excluded.cost_usd, input = input + excluded.input, output = output + excluded.output,
         cache_read = cache_read + excluded.cache_read, cache_write = cache_write + excluded.cache_write, requests = requests + 1`,
    )
    .run(...keyOf(of), day, costUsd, input, output, cacheRead, cacheWrite)
  const thread = threadOf(statements, of)
  if (thread !== undefined) {
    const add = (name: keyof typeof tokens): string => `'$.${name}', json_extract(tokens, '$.${name}') + ?`
    statements
      .prepare(
        `UPDATE threads SET cost_usd = cost_usd + ?, tokens = json_set(tokens, ${add('input')}, ${add('output')}, ${add('cacheRead')}, ${add('cacheWrite')}) WHERE ${THREAD}`,
      )
      .run(costUsd, input, output, cacheRead, cacheWrite, ...threadValues(thread))
  }
  const { used: _used, ...spentNow } = spent(statements, of, day)
  return spentNow
}

export function spent(statements: Statements, of: CommandRef, day: string): Spent & { readonly used: Usage | undefined } {
  const command = statements.prepare(`SELECT ${SUMS} FROM spending WHERE ${COMMAND}`).get(...keyOf(of))
  const used = command === undefined || command['cost_usd'] === null ? undefined : usageFrom(command)
  const thread = threadOf(statements, of)
  const cost = (sql: string, ...values: string[]): number => Number(statements.prepare(sql).get(...values)?.['cost'] ?? 0)
  const { clientId, userId } = of.workspace
  return {
    command: used?.costUsd ?? 0,
    thread: thread === undefined ? 0 : cost(`SELECT cost_usd AS cost FROM threads WHERE ${THREAD}`, ...threadValues(thread)),
    day: cost('SELECT sum(cost_usd) AS cost FROM spending WHERE client_id = ? AND user_id = ? AND day = ?', clientId, userId, day),
    used: used === undefined ? undefined : { costUsd: used.costUsd, tokens: used.tokens },
  }
}

export function dayCosts(statements: Statements, { clientId, userId }: Pick<WorkspaceId, 'clientId' | 'userId'>, limit: number): readonly DayCost[] {
  return statements
    .prepare(`SELECT day, ${SUMS} FROM spending WHERE client_id = ? AND user_id = ? GROUP BY day ORDER BY day DESC LIMIT ?`)
    .all(clientId, userId, limit)
    .map((row) => ({ day: String(row['day']), ...usageFrom(row) }))
}

/** What forgotten commands have cost stays counted for their user and day, under no command. */
export function foldForgotten(statements: Statements): void {
  const forgotten = `command_id <> '' AND NOT EXISTS (SELECT 1 FROM commands WHERE commands.client_id = spending.client_id
    AND commands.user_id = spending.user_id AND commands.project_id = spending.project_id AND commands.command_id = spending.command_id)`
  statements
    .prepare(
      `INSERT INTO spending SELECT client_id, user_id, project_id, '', day, sum(cost_usd), sum(input), sum(output), sum(cache_read), sum(cache_write), sum(requests)
       FROM spending WHERE ${forgotten} GROUP BY client_id, user_id, project_id, day
       ON CONFLICT DO UPDATE SET cost_usd = cost_usd + excluded.cost_usd, input = input + excluded.input, output = output + excluded.output,
         cache_read = cache_read + excluded.cache_read, cache_write = cache_write + excluded.cache_write, requests = requests + excluded.requests`,
    )
    .run()
  statements.prepare(`DELETE FROM spending WHERE ${forgotten}`).run()
}

const threadOf = (statements: Statements, of: CommandRef): ThreadRef | undefined => find(statements, of)?.command
