import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { clientOf } from '../test/support/client.ts'
import { makeRepository } from '../test/support/repository.ts'
import { startService, temporaryFolder } from '../test/support/service.ts'
import { BareAgent, makeBarePlace } from './bare.ts'
import { startTimedModel, timeToRequest } from './model.ts'
import { complain, inTurns, rest, SERVICE_ENV, type Subject } from './support.ts'

const ROUNDS = 7
const LOOK_MS = 50
const DEADLINE_MS = 30_000

/** From the first message to an agent that waits, started beforehand, to the request that it makes it send. */
export const preStarted: Subject<'spare' | 'resumed'> = {
  figures: {
    spare: { name: 'new thread on a spare slot to model request, against the pre-started SDK', unit: 'ms', goal: 1.2 },
    resumed: { name: 'resumed thread that is watched to model request, against the pre-started SDK', unit: 'ms' },
  },
  async measure() {
    await using parts = new AsyncDisposableStack()
    const folder = await temporaryFolder()
    parts.defer(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }))
    const repository = await makeRepository(folder)
    const model = parts.use(await startTimedModel())
    const env = { ...SERVICE_ENV, ANTHROPIC_BASE_URL: model.url, ANTHROPIC_API_KEY: 'bench', SPARE_AGENT: 'true' }
    const service = parts.use(await startService({ env }))
    const send = async (thread: string, text: string): Promise<void> => {
      const result = await clientOf(service).run(thread, text)
      if (!result.success) throw complain(service, `a message was not carried out: ${JSON.stringify(result)}`)
    }
    const waiting = async (enough: (agents: { readonly idle: number; readonly fresh: number }) => boolean): Promise<void> => {
      for (const end = Date.now() + DEADLINE_MS; Date.now() < end; await delay(LOOK_MS)) {
        if (!enough((await clientOf(service).call('GET', '/health')).body.agents)) continue
        await delay(1000) // it has been through its rehearsal
        return
      }
      throw complain(service, 'no agent waits')
    }
    await send('begin', 'write begin.txt: begin')

    const times = await inTurns(ROUNDS, {
      spare: async (round) => {
        await waiting(({ fresh }) => fresh > 0)
        return timeToRequest(model, `write spare-${round}.txt: one`, (text) => send(`spare-${round}`, text))
      },
      bareFirst: async (round) => {
        await using agent = new BareAgent(await makeBarePlace(join(folder, `first-${round}`), repository, model.url))
        await agent.ready()
        await delay(1000)
        return await timeToRequest(model, `write first-${round}.txt: one`, (text) => agent.send(text))
      },
      resumed: async (round) => {
        await send('resumed', `write before-${round}.txt: one`)
        await service.restart()
        const events = clientOf(service).events('resumed')
        await events.next()
        await waiting(({ fresh }) => fresh > 1) // this one and the spare one
        const time = await timeToRequest(model, `write resumed-${round}.txt: one`, (text) => send('resumed', text))
        await events.return()
        return time
      },
      bareResumed: async (round) => {
        const place = await makeBarePlace(join(folder, `again-${round}`), repository, model.url)
        {
          await using before = new BareAgent(place)
          await before.send(`write before-${round}.txt: one`)
          await rest()
        }
        await using agent = new BareAgent(place, true)
        await agent.ready()
        await delay(1000)
        return await timeToRequest(model, `write again-${round}.txt: one`, (text) => agent.send(text))
      },
    })
    return {
      spare: { ours: times.spare, baseline: times.bareFirst },
      resumed: { ours: times.resumed, baseline: times.bareResumed },
    }
  },
}
