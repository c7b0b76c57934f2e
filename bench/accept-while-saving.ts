import { rm } from 'node:fs/promises'
import { clientOf } from '../test/support/client.ts'
import { standIn } from '../test/support/failpoints.ts'
import { startService, temporaryFolder } from '../test/support/service.ts'
import { complain, inTurns, SERVICE_ENV, timed, type Subject } from './support.ts'

const ROUNDS = 3
const FILES = 2000
/** A hundredth of them is slower than the 99th percentile. */
const ACCEPTS = 200

/** How long a message waits to be acknowledged while a run of another thread commits a large tree. */
export const acceptWhileSaving: Subject<'p99'> = {
  figures: { p99: { name: 'accept over HTTP, 99th percentile, while a run commits 2,000 new files, against an idle service', unit: 'ms' } },
  async measure() {
    await using parts = new AsyncDisposableStack()
    const folder = await temporaryFolder()
    parts.defer(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }))
    const service = parts.use(await startService({ env: { ...SERVICE_ENV, ...standIn, CONCURRENCY: '1' } }))
    const client = clientOf(service)
    await client.run('busy', 'write a.txt: a')

    let n = 0
    const accept = async (): Promise<number> => {
      const commandId = `accept-${++n}`
      const ms = await timed(() => client.post('other', `message ${n}`, { commandId, type: 'commit' }))
      return ms
    }
    const p99 = (times: readonly number[]): number => times.toSorted((a, b) => a - b)[Math.ceil(times.length * 0.99) - 1] ?? Number.NaN
    const times = await inTurns(ROUNDS, {
      saving: async (round) => {
        const id = await client.post('busy', `run mkdir -p d${round}; for i in $(seq ${FILES}); do echo $i-${round} > d${round}/$i.txt; done`)
        await client.event('busy', (event) => event.type === 'tool.ended' && event.commandId === id)
        const taken: number[] = []
        while (taken.length < ACCEPTS) taken.push(await accept())
        const result = await client.result(id)
        if (result.filesChanged?.length !== Math.min(FILES, 1000)) throw complain(service, JSON.stringify(result).slice(0, 500))
        return p99(taken)
      },
      idle: async () => {
        const taken: number[] = []
        while (taken.length < ACCEPTS) taken.push(await accept())
        return p99(taken)
      },
    })
    return { p99: { ours: times.saving, baseline: times.idle } }
  },
}
