// What many users cost, wait for and run into: `node bench/scaling/simulate.ts [--users 10000] [--days 7] [--seed 1] [--set use.messagesPerConversation=8] [--json]`.
// Figures, and where they come from, are in inputs.json; --set puts another one in the place of one of them, and may be repeated.
import { parseArgs } from 'node:util'
import { readInputs, UnknownFigure, type Inputs } from './inputs.ts'
import { textOf } from './print.ts'
import { reportOf } from './report.ts'

const { values } = parseArgs({
  options: {
    users: { type: 'string', default: '10000' },
    days: { type: 'string', default: '7' },
    seed: { type: 'string', default: '1' },
    set: { type: 'string', multiple: true, default: [] },
    json: { type: 'boolean', default: false },
  },
})
const refuse = (why: string): never => {
  process.stderr.write(`${why}\n`)
  process.exit(2)
}
const whole = (name: 'users' | 'days' | 'seed'): number => {
  const number = Number(values[name])
  return Number.isSafeInteger(number) && number > 0 ? number : refuse(`--${name}: must be a whole number above 0`)
}
const inputsWith = (settings: readonly string[]): Inputs => {
  const given = settings.map((text): readonly [string, number] => {
    const [, name, number] = /^(\w+\.\w+)=(\d+(?:\.\d+)?)$/.exec(text) ?? refuse(`--set ${text}: must be group.name=number`)
    return [name ?? '', Number(number)]
  })
  try {
    return readInputs(new Map(given))
  } catch (error) {
    if (error instanceof UnknownFigure) return refuse(`--set ${error.figure}: there is no such figure in inputs.json`)
    throw error
  }
}
const scale = { users: whole('users'), days: whole('days'), seed: whole('seed') }
const report = reportOf(inputsWith(values.set), scale)
process.stdout.write(values.json ? `${JSON.stringify(report, null, 2)}\n` : textOf(report))
