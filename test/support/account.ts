import { Account, type AccountOptions, type Use } from '../../src/agent/account.ts'

/** An account without limits, unless some are given, that records nothing but in `uses`. */
export function someAccount(options: Partial<AccountOptions> = {}): Account & { readonly uses: readonly Use[] } {
  const uses: Use[] = []
  let spent = { command: 0, thread: 0, day: 0 }
  const account = new Account({
    budgets: { command: undefined, thread: undefined, day: undefined },
    spent,
    free: false,
    record: async (use) => {
      uses.push(use)
      spent = { command: spent.command + use.costUsd, thread: spent.thread + use.costUsd, day: spent.day + use.costUsd }
      return spent
    },
    ...options,
  })
  return Object.assign(account, { uses })
}
