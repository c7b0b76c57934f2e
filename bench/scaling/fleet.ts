import { makeAgenda } from './agenda.ts'
import { makeBucket } from './bucket.ts'
import { makeContainer, NO_TIME, type Account, type Container, type Room, type Times } from './container.ts'
import type { Inputs } from './inputs.ts'
import { randomOf } from './random.ts'
import { makeTally, type Counted } from './tally.ts'
import { planUsers, type Conversation, type Scale } from './traffic.ts'

export interface Outcomes extends Counted {
  readonly seconds: Times
  /** When the last container had stopped. */
  readonly endedAt: number
}

/** Keeps the streams of launches apart from those of messages. */
const LAUNCHES = 1_000_000_000

export interface Options extends Scale {
  /** Conversations each user begins on a workday; drawn for each user unless given. */
  readonly perWorkday?: number
  /** vCPU that may be had at once; as many as are wanted unless given. */
  readonly vcpu?: number
}

/** Everything that `users` send in `days`, until all of it has ended and every container has stopped. */
export function simulate(inputs: Inputs, { perWorkday, vcpu = Infinity, ...scale }: Options): Outcomes {
  return simulatePlans(inputs, planUsers(inputs, scale, perWorkday), { seed: scale.seed, vcpu })
}

export function simulatePlans(inputs: Inputs, plans: readonly (readonly Conversation[])[], { seed = 1, vcpu = Infinity } = {}): Outcomes {
  const { burst, perSecond, modifyBurst, modifyPerSecond } = inputs.launch
  const account: Account = {
    agenda: makeAgenda(),
    inputs,
    tally: makeTally(),
    modify: makeBucket(modifyBurst, modifyPerSecond),
    launch: makeBucket(burst, perSecond),
    room: makeRoom(Math.floor(vcpu / inputs.container.vcpu)),
  }
  const containers = plans.map((conversations, user) => {
    const container = makeContainer(account, randomOf(seed, LAUNCHES + user))
    conversations.forEach((conversation, thread) => converse(account, container, conversation, thread))
    return container
  })
  account.agenda.run()
  const seconds = containers.map((container) => container.seconds()).reduce(added, NO_TIME)
  return { ...account.tally.counted(), seconds, endedAt: account.agenda.now() }
}

const added = (a: Times, b: Times): Times => ({
  stopped: a.stopped + b.stopped,
  queued: a.queued + b.queued,
  placing: a.placing + b.placing,
  pulling: a.pulling + b.pulling,
  starting: a.starting + b.starting,
  idle: a.idle + b.idle,
  running: a.running + b.running,
  stopping: a.stopping + b.stopping,
})

function converse({ agenda }: Account, container: Container, { at, messages }: Conversation, thread: number): void {
  const send = (index: number): void => {
    const planned = messages[index]
    if (planned === undefined) return
    const later = (): void => agenda.plan(agenda.now() + planned.gapS, () => send(index + 1))
    container.send(planned, thread, () => {
      if (!planned.impatient) later()
    })
    if (planned.impatient) later()
  }
  agenda.plan(at, () => send(0))
}

function makeRoom(tasks: number): Room {
  let free = tasks
  const waiting: (() => void)[] = []
  return {
    take: (got) => {
      if (free <= 0) return void waiting.push(got)
      free -= 1
      got()
    },
    giveBack: () => {
      const got = waiting.shift()
      if (got === undefined) free += 1
      else got()
    },
  }
}
