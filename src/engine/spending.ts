import { Account, type Budgets, type Use } from '../agent/account.ts'
import type { Spent } from '../command/spending.ts'
import { refOf, type CommandRecord } from '../journal/journal.ts'
import { measure } from '../observe/measure.ts'
import { messageOf } from '../observe/text.ts'
import type { Tools } from './tools.ts'

/** Days are those of UTC, as the limits of providers are. */
const today = (): string => new Date().toISOString().slice(0, 10)

/** The account that pays for a run: what its command, its thread and its user have spent counts against their budgets. */
export async function openAccount(run: CommandRecord, tools: Tools): Promise<Account> {
  const { command } = run
  const of = refOf(command)
  const record = async ({ costUsd, tokens: { input, output, cacheRead, cacheWrite, cacheWriteHour } }: Use): Promise<Spent | undefined> => {
    try {
      const tokens = { input: Math.ceil(input), output: Math.ceil(output), cacheRead: Math.ceil(cacheRead), cacheWrite: Math.ceil(cacheWrite + cacheWriteHour) }
      const spent = await tools.journal.spend(of, today(), { costUsd, tokens })
      measure('cost_usd_total', costUsd, {})
      const runId = `${command.commandId}#${run.attempt}`
      if (costUsd > 0)
        tools.events(command).append({ type: 'cost.counted', commandId: command.commandId, runId, costUsd: spent.command, totalCostUsd: spent.thread })
      return spent
    } catch (error) {
      tools.log.error({ event: 'cost.not_recorded', commandId: command.commandId, costUsd, error: messageOf(error) })
      return undefined // the account remembers it for as long as the run lasts
    }
  }
  const account = new Account({
    budgets: budgetsOf(command.maxCostUsd, tools.budgets),
    spent: await tools.journal.spent(of, today()),
    free: tools.simulated,
    record,
  })
  if (run.attempt === 1) void account.asked.then(() => measure('first_model_request_seconds', (Date.now() - run.acceptedAt) / 1000, {}))
  return account
}

/** A message may ask for less than the operator allows, never for more. */
const budgetsOf = (asked: number | undefined, budgets: Budgets): Budgets => ({
  ...budgets,
  command: asked === undefined || budgets.command === undefined ? (asked ?? budgets.command) : Math.min(asked, budgets.command),
})
