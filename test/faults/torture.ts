// Thousands of commands while the service and its agents are killed, and one checker at the end of each round.
//   npm run torture -- --rounds 10 --seed 7             ten rounds of 100 commands with the stand-in for Claude Code
//   npm run torture -- --rounds 10 --agent real         with the real Claude Code on the scripted model
//   npm run torture -- --rounds 10 --way queues         by queues, to a container with its journal in a table
//   npm run torture -- --rounds 90 --seed 7 --from 42   goes on with round 42: a round depends on its seed and number alone
import { parseArgs } from 'node:util'
import { round, type RoundReport } from './torture-round.ts'

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '10' },
    commands: { type: 'string', default: '100' },
    seed: { type: 'string', default: '1' },
    from: { type: 'string', default: '1' },
    agent: { type: 'string', default: 'stand-in' },
    way: { type: 'string', default: 'http' },
    keep: { type: 'boolean', default: false },
  },
})
const whole = (name: 'rounds' | 'commands' | 'from'): number => {
  const value = Number(values[name])
  if (!Number.isSafeInteger(value) || value < 1) throw new Error(`--${name}: must be a whole number from 1`)
  return value
}
if (values.agent !== 'stand-in' && values.agent !== 'real') throw new Error('--agent: must be stand-in or real')
if (values.way !== 'http' && values.way !== 'queues') throw new Error('--way: must be http or queues')

const [rounds, commands, from] = [whole('rounds'), whole('commands'), whole('from')]
const all: RoundReport[] = []
for (let n = from; n < from + rounds; n += 1) {
  const report = await round({ seed: `${values.seed}/${n}`, commands, agent: values.agent, way: values.way, keep: values.keep })
  all.push(report)
  process.stdout.write(`${JSON.stringify({ round: n, ...report })}\n`)
}
const sum = (of: (report: RoundReport) => number): number => all.reduce((total, report) => total + of(report), 0)
const problems = sum((report) => report.problems.length)
process.stdout.write(
  `${sum((r) => r.commands)} commands in ${rounds} rounds, seed ${values.seed}, agent ${values.agent}: ` +
    `service killed ${sum((r) => r.serviceKills)} times, agents ${sum((r) => r.agentKills)}, stopped ${sum((r) => r.drains)}; ` +
    `${sum((r) => r.duplicates)} duplicates, ${sum((r) => r.outcomes['interrupted'] ?? 0)} interrupted, ${sum((r) => r.outcomes['superseded'] ?? 0)} superseded; ` +
    `${problems === 0 ? 'nothing missing, nothing doubled, nothing mixed' : `${problems} PROBLEMS`}; ${Math.round(sum((r) => r.seconds))} s\n`,
)
process.exitCode = problems === 0 ? 0 : 1
