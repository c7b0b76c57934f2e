import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { clientOf } from '../test/support/client.ts'
import { makeRepository } from '../test/support/repository.ts'
import { startService, temporaryFolder } from '../test/support/service.ts'
import { askClaude, BareAgent, makeBarePlace } from './bare.ts'
import { startTimedModel, timeToRequest } from './model.ts'
import { complain, inTurns, rest, SERVICE_ENV, type Subject } from './support.ts'

const ROUNDS = 7

interface Times {
  /** Of a thread, or a conversation, that was not there before. */
  readonly first: number
  readonly second: number
}

type Side = (name: string) => Promise<Times>

/** From a message to the request that it makes the agent send, which is what a person waits for before the model begins to write. */
export const modelRequest: Subject<'living' | 'secondStarted' | 'firstStarted' | 'firstCold'> = {
  figures: {
    living: { name: 'second message to model request, against the living SDK', unit: 'ms', goal: 1.3 },
    secondStarted: { name: 'second message to model request, against claude -p --resume', unit: 'ms' },
    firstStarted: { name: 'first message to model request, against claude -p', unit: 'ms' },
    firstCold: { name: 'first message to model request, against the SDK from nothing', unit: 'ms' },
  },
  async measure() {
    await using parts = new AsyncDisposableStack()
    const folder = await temporaryFolder()
    parts.defer(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }))
    const repository = await makeRepository(folder)
    const model = parts.use(await startTimedModel())
    const service = parts.use(await startService({ env: { ...SERVICE_ENV, ANTHROPIC_BASE_URL: model.url, ANTHROPIC_API_KEY: 'bench' } }))
    const client = clientOf(service)

    const both = async (name: string, send: (text: string) => Promise<unknown>): Promise<Times> => {
      const first = await timeToRequest(model, `write first-${name}.txt: one`, send)
      await rest()
      const second = await timeToRequest(model, `write second-${name}.txt: two`, send)
      await rest()
      return { first, second }
    }
    const ours: Side = (name) =>
      both(name, async (text) => {
        const result = await client.run(name, text)
        if (!result.success) throw complain(service, `a message was not carried out: ${JSON.stringify(result)}`)
      })
    const sdk: Side = async (name) => {
      const place = await makeBarePlace(join(folder, name), repository, model.url)
      await using living = new AsyncDisposableStack()
      let agent: BareAgent | undefined
      return await both(name, (text) => (agent ??= living.use(new BareAgent(place))).send(text))
    }
    const started: Side = async (name) => {
      const place = await makeBarePlace(join(folder, name), repository, model.url)
      let goOn = false
      return both(name, async (text) => {
        await askClaude(place, text, goOn)
        goOn = true
      })
    }
    const times = await inTurns(ROUNDS, {
      ours: (round) => ours(`ours-${round}`),
      sdk: (round) => sdk(`sdk-${round}`),
      started: (round) => started(`started-${round}`),
    })
    const of = (side: keyof typeof times, which: keyof Times): readonly number[] => times[side].map((each) => each[which])
    return {
      living: { ours: of('ours', 'second'), baseline: of('sdk', 'second') },
      secondStarted: { ours: of('ours', 'second'), baseline: of('started', 'second') },
      firstStarted: { ours: of('ours', 'first'), baseline: of('started', 'first') },
      firstCold: { ours: of('ours', 'first'), baseline: of('sdk', 'first') },
    }
  },
}
