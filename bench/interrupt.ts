import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { clientOf } from '../test/support/client.ts'
import { commitAll, makeRepository } from '../test/support/repository.ts'
import { startService, temporaryFolder } from '../test/support/service.ts'
import { BareAgent, makeBarePlace } from './bare.ts'
import { SLOWLY, startTimedModel, timeToRequest } from './model.ts'
import { complain, inTurns, rest, SERVICE_ENV, type Subject } from './support.ts'

const ROUNDS = 7
/** The model is in the midst of its text by then. */
const STREAMING_MS = 300

/** A message that interrupts: until the work so far is committed and the next run's first request is at the model. */
export const interrupt: Subject<'next'> = {
  figures: { next: { name: 'interrupt, work committed, next model request, against the SDK and git commit', unit: 'ms' } },
  async measure() {
    await using parts = new AsyncDisposableStack()
    const folder = await temporaryFolder()
    parts.defer(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }))
    const repository = await makeRepository(folder)
    const model = parts.use(await startTimedModel())
    const service = parts.use(await startService({ env: { ...SERVICE_ENV, MIN_RUN_MS: '0', ANTHROPIC_BASE_URL: model.url, ANTHROPIC_API_KEY: 'bench' } }))
    const client = clientOf(service)
    const place = await makeBarePlace(join(folder, 'bare'), repository, model.url)
    const agent = parts.use(new BareAgent(place))

    const begin = async (instruction: string, send: (text: string) => Promise<unknown>): Promise<void> => {
      const streaming = model.streaming(instruction)
      await Promise.all([streaming, send(instruction)])
      await delay(STREAMING_MS)
    }
    const times = await inTurns(ROUNDS, {
      ours: async (round) => {
        let interrupted = ''
        await begin(`write ours-${round}.txt: ${SLOWLY}`, async (text) => (interrupted = await client.post('bench', text)))
        const time = await timeToRequest(model, `go on with ours-${round}`, (text) => client.run('bench', text))
        const result = await client.result(interrupted)
        if (result.interrupted !== true || result.commit === undefined) throw complain(service, `not interrupted and committed: ${JSON.stringify(result)}`)
        await rest()
        return time
      },
      bare: async (round) => {
        let ended: Promise<void> | undefined
        await begin(`write bare-${round}.txt: ${SLOWLY}`, async (text) => void (ended = agent.send(text)))
        const time = await timeToRequest(model, `go on with bare-${round}`, async (text) => {
          await agent.interrupt()
          await ended
          await commitAll(place.workTree, 'Interrupted')
          await agent.send(text)
        })
        await rest()
        return time
      },
    })
    return { next: { ours: times.ours, baseline: times.bare } }
  },
}
