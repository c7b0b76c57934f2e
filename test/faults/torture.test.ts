import { randomInt } from 'node:crypto'
import { expect, it } from 'vitest'
import { tableServerSupported } from '../support/table-server.ts'
import { round } from './torture-round.ts'

/** Another one each time; TORTURE_SEED=n repeats a run, and so does `npm run torture -- --seed n --commands 40 --rounds 1`. */
const SEED = process.env['TORTURE_SEED'] ?? String(randomInt(1_000_000))

it(`forty commands under kills: nothing missing, nothing doubled, nothing mixed (seed ${SEED})`, { timeout: 300_000 }, async () => {
  const report = await round({ seed: `${SEED}/1`, commands: 40, agent: 'stand-in' })
  expect(report.problems, JSON.stringify(report)).toEqual([])
  expect(report.serviceKills + report.agentKills + report.drains).toBeGreaterThan(0)
})

it.skipIf(!tableServerSupported)(
  `the same by queues, to a container that takes over from itself (seed ${SEED}; needs the table server, which this platform lacks)`,
  { timeout: 300_000 },
  async () => {
    const report = await round({ seed: `${SEED}/1`, commands: 25, agent: 'stand-in', way: 'queues' })
    expect(report.problems, JSON.stringify(report)).toEqual([])
    expect(report.serviceKills + report.agentKills + report.drains).toBeGreaterThan(0)
  },
)
