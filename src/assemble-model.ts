import { readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { Bedrock, NoAwsCredentials } from './agent/bedrock.ts'
import { Broker } from './agent/broker.ts'
import { EnteredKey, type KeyStore } from './agent/entered-key.ts'
import type { Upstream } from './agent/upstream.ts'
import { BadConfiguration, type Config } from './config.ts'
import type { Log } from './observe/log.ts'
import type { Secrets } from './observe/redact.ts'
import { messageOf } from './observe/text.ts'
import { writeAtomically } from './workspace/files.ts'

/** How long a piece of text of a simulated model takes, so that a person sees it being written. */
const PIECE_MS = 8

interface Parts {
  /** The service's own folder. */
  readonly own: string
  readonly log: Log
  readonly secrets: Secrets
}

export interface ModelParts extends AsyncDisposable {
  readonly broker: Broker
  /** The key that a person may enter, where the operator has not said how the model is reached. */
  readonly enteredKey: EnteredKey | undefined
}

/** Builds the way from agents to the model. */
export async function assembleModel(config: Config, { own, log, secrets }: Parts): Promise<ModelParts> {
  await using parts = new AsyncDisposableStack()
  const model = config.simulated ? parts.use(await (await import('./agent/simulation/model.ts')).startScriptedModel({ pieceMs: PIECE_MS })) : undefined
  const upstream = await upstreamOf(config, model?.url)
  const broker = parts.use(new Broker(upstream, { log, silenceMs: config.MODEL_SILENCE_SECONDS * 1000, networkEnv: config.networkEnv }))
  await broker.start()
  const enteredKey = config.keyWanted
    ? new EnteredKey({
        store: keyStore(join(own, 'model.key')),
        simulation: upstream,
        url: config.ANTHROPIC_BASE_URL,
        switchTo: (to) => broker.switchTo(to),
        keepSecret: (value) => secrets.keep(value),
      })
    : undefined
  await enteredKey?.start()
  const started = parts.move()
  return { broker, enteredKey, [Symbol.asyncDispose]: () => started.disposeAsync() }
}

/** A key in a file that is readable for the service's user alone. */
export const keyStore = (path: string): KeyStore => ({
  read: () => readFile(path, 'utf8').catch(() => undefined), // none was entered
  write: (key) => writeAtomically(path, key),
  remove: () => rm(path, { force: true }),
})

export const bedrockRegion = ({ simulated, upstream }: Config): string | undefined => (!simulated && upstream.kind === 'bedrock' ? upstream.region : undefined)

async function upstreamOf({ upstream }: Config, simulation: string | undefined): Promise<Upstream> {
  if (simulation !== undefined) return { kind: 'anthropic', url: simulation, credential: undefined }
  if (upstream.kind === 'anthropic') return upstream
  const bedrock = new Bedrock(upstream)
  try {
    await bedrock.check()
  } catch (error) {
    if (!(error instanceof NoAwsCredentials)) throw error
    throw new BadConfiguration([`CLAUDE_CODE_USE_BEDROCK: ${messageOf(error)}`])
  }
  return bedrock
}
