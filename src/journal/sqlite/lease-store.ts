import { readFileSync } from 'node:fs'
import { hostname } from 'node:os'
import type { DatabaseSync } from 'node:sqlite'
import type { Lease, LeaseStore } from '../lease.ts'

/** The lease in the journal's own database; each call is one durable transaction. */
export function leaseIn(database: DatabaseSync): LeaseStore {
  const read = (): Lease => {
    const row = database.prepare("SELECT owner, beat, released, value AS epoch FROM lease, meta WHERE key = 'epoch'").get()
    return { owner: String(row?.['owner']), epoch: Number(row?.['epoch']), beat: Number(row?.['beat']), released: row?.['released'] === 1 }
  }
  const whole = <Value>(work: () => Value): Value => {
    database.exec('BEGIN IMMEDIATE')
    try {
      const value = work()
      database.exec('COMMIT')
      return value
    } catch (error) {
      if (database.isTransaction) database.exec('ROLLBACK')
      throw error
    }
  }
  const isOwner = (epoch: number): boolean => read().epoch === epoch
  return {
    read: async () => read(),
    take: async (seen, owner) =>
      whole(() => {
        const now = read()
        if (now.epoch !== seen.epoch || now.beat !== seen.beat) return undefined
        database.prepare('UPDATE lease SET owner = ?, beat = beat + 1, released = 0').run(owner)
        database.prepare("UPDATE meta SET value = value + 1 WHERE key = 'epoch'").run()
        return now.epoch + 1
      }),
    renew: async (epoch) =>
      whole(() => {
        if (!isOwner(epoch)) return false
        database.prepare('UPDATE lease SET beat = beat + 1').run()
        return true
      }),
    release: async (epoch) => whole(() => void (isOwner(epoch) && database.prepare('UPDATE lease SET released = 1').run())),
  }
}

/** The same for every process under one kernel, and so for those that its locks hold between. */
export function thisMachine(): string {
  try {
    return `${hostname()} (${readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()})`
  } catch {
    return hostname()
  }
}
