import { readFile } from 'node:fs/promises'
import { processTable, type ProcessEntry } from './table.ts'

/** USER_HZ of Linux, in which /proc counts processor time. */
const TICKS_PER_SECOND = 100
const PAGE_BYTES = 4096

export interface Usage {
  /** Since the look before; 100 is one core. */
  readonly cpuPercent: number
  readonly memoryBytes: number
}

/** How much of this machine some of its processes use, whenever it is asked; nothing but on Linux. What begins and ends between two looks is not seen. */
export function usageOf(wanted: (entry: ProcessEntry) => boolean): () => Promise<Usage> {
  let [before, at] = [new Map<number, number>(), performance.now()]
  return async () => {
    if (process.platform !== 'linux') return { cpuPercent: 0, memoryBytes: 0 }
    const pids = (await processTable()).filter(wanted).map(({ pid }) => pid)
    const looks = (await Promise.all(pids.map(look))).filter((each) => each !== undefined)
    const ticks = looks.reduce((sum, each) => sum + Math.max(0, each.ticks - (before.get(each.pid) ?? 0)), 0)
    const seconds = Math.max(0.001, (performance.now() - at) / 1000)
    before = new Map(looks.map((each) => [each.pid, each.ticks]))
    at = performance.now()
    return { cpuPercent: (ticks / TICKS_PER_SECOND / seconds) * 100, memoryBytes: looks.reduce((sum, { memoryBytes }) => sum + memoryBytes, 0) }
  }
}

async function look(pid: number): Promise<{ readonly pid: number; readonly ticks: number; readonly memoryBytes: number } | undefined> {
  try {
    const [stat, statm] = await Promise.all([readFile(`/proc/${pid}/stat`, 'utf8'), readFile(`/proc/${pid}/statm`, 'utf8')])
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ') // a name may hold blanks; the first field after it is the third
    return { pid, ticks: Number(fields[11]) + Number(fields[12]), memoryBytes: Number(statm.split(' ')[1]) * PAGE_BYTES }
  } catch {
    return undefined // it ended meanwhile
  }
}
