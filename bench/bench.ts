// What is measured, against what: `npm run bench [-- --only WORD] [-- --json FILE]`. Ratios hold from machine to machine, times do not.
import { writeFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { acceptWhileSaving } from './accept-while-saving.ts'
import { accepts } from './accepts.ts'
import { image } from './image.ts'
import { interrupt } from './interrupt.ts'
import { modelRequest } from './model-request.ts'
import { broker } from './broker.ts'
import { cloudflareBundle, cloudflareWebhooks } from './cloudflare.ts'
import { cloudflareIssues } from './cloudflare-issues.ts'
import { consoleBundle, consoleEvents, consoleOpening, consoleScrolling } from './console.ts'
import { githubFlood, githubWebhooks } from './github.ts'
import { githubIssues } from './github-issues.ts'
import { idleAgents } from './idle-agents.ts'
import { preStarted } from './pre-started.ts'
import { previewChange } from './preview-change.ts'
import { previewGateway } from './preview-gateway.ts'
import { previewStart } from './preview-start.ts'
import { queueIdle } from './queue-idle.ts'
import { queueCommands, queueInterrupt, queueRecording, queueTakeOver } from './queues.ts'
import { restart } from './restart.ts'
import { secondThread } from './second-thread.ts'
import { start } from './start.ts'
import { step } from './step.ts'
import { rowOf, type Figure, type Row, type Subject } from './support.ts'

const SUBJECTS: readonly Subject[] = [
  modelRequest,
  preStarted,
  interrupt,
  broker,
  idleAgents,
  secondThread,
  accepts,
  acceptWhileSaving,
  start,
  restart,
  step,
  previewChange,
  previewGateway,
  previewStart,
  queueRecording,
  queueCommands,
  queueInterrupt,
  queueTakeOver,
  queueIdle,
  githubWebhooks,
  githubFlood,
  githubIssues,
  cloudflareWebhooks,
  cloudflareIssues,
  cloudflareBundle,
  consoleBundle,
  consoleOpening,
  consoleEvents,
  consoleScrolling,
  image,
]

const { values } = parseArgs({ options: { only: { type: 'string', default: '' }, json: { type: 'string' } } })
const wanted = ({ name }: Figure): boolean => name.toLowerCase().includes(values.only.toLowerCase())

const measured: { readonly figure: Figure; readonly row: Row }[] = []
for (const { figures, measure } of SUBJECTS) {
  const chosen = Object.entries(figures).filter(([, figure]) => wanted(figure))
  if (chosen.length === 0) continue
  process.stderr.write(chosen.map(([, { name }]) => `measuring ${name}\n`).join(''))
  const samples = await measure()
  for (const [key, figure] of chosen) {
    const found = samples[key]
    if (found !== undefined) measured.push({ figure, row: rowOf(figure, found) })
  }
}
if (measured.length === 0) {
  process.stderr.write(`no row's name holds ${JSON.stringify(values.only)}\n`)
  process.exit(1)
}

const HEAD = ['', 'ours', 'baseline', 'unit', 'ratio', 'goal', 'met']
const lines = measured.map(({ figure, row: { name, unit, ours, baseline, ratio, goal, met } }) => [
  name,
  String(ours),
  String(baseline),
  unit,
  ratio.toFixed(2),
  goal === null ? '' : `${figure.moreIsBetter === true ? '≥' : '≤'} ${goal}`,
  met === null ? '' : met ? 'yes' : 'no',
])
const widths = HEAD.map((_, at) => Math.max(...[HEAD, ...lines].map((line) => line[at]?.length ?? 0)))
const isText = (at: number): boolean => at === 0 || at === 3
for (const line of [HEAD, ...lines])
  process.stdout.write(
    `${line
      .map((cell, at) => (isText(at) ? cell.padEnd(widths[at] ?? 0) : cell.padStart(widths[at] ?? 0)))
      .join('  ')
      .trimEnd()}\n`,
  )
if (values.json !== undefined)
  await writeFile(
    values.json,
    `${JSON.stringify(
      measured.map(({ row }) => row),
      null,
      2,
    )}\n`,
  )
