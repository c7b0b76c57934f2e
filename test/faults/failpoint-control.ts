// Loaded into the service by `--import`: does at a failpoint what files in a folder say, and notes there what was passed.
import { appendFileSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { subscribe } from 'node:diagnostics_channel'
import { join } from 'node:path'
import { FAILPOINT_CHANNEL, type Passing } from '../../src/observe/failpoint.ts'

const folder = process.env['FAILPOINTS'] ?? ''
const LOOK_MS = 5

subscribe(FAILPOINT_CHANNEL, (message) => {
  const at = message as Passing
  const file = (what: string): string => join(folder, `${at.name}.${what}`)
  appendFileSync(join(folder, 'passed'), `${at.name}\n`)
  if (existsSync(file('kill'))) {
    const left = Number(readFileSync(file('kill'), 'utf8')) - 1
    if (left <= 0) {
      rmSync(file('kill'))
      process.kill(process.pid, 'SIGKILL')
    } else writeFileSync(file('kill'), String(left))
  }
  if (existsSync(file('throw'))) {
    const code = readFileSync(file('throw'), 'utf8')
    rmSync(file('throw'))
    at.until = Promise.reject(Object.assign(new Error(`failpoint ${at.name}: ${code}`), { code }))
  }
  if (existsSync(file('hold'))) at.until = held(file)
})

async function held(file: (what: string) => string): Promise<void> {
  writeFileSync(file('reached'), '')
  while (existsSync(file('hold'))) await new Promise((resolve) => setTimeout(resolve, LOOK_MS))
}
