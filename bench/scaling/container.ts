import type { Agenda } from './agenda.ts'
import type { Bucket } from './bucket.ts'
import type { Inputs } from './inputs.ts'
import type { Random } from './random.ts'
import type { Tally } from './tally.ts'
import type { Planned } from './traffic.ts'

/** `queued` waits for the rates and the quota of the account; `placing` has got them. From `pulling` to the end it is paid for. */
export type State = 'stopped' | 'queued' | 'placing' | 'pulling' | 'starting' | 'idle' | 'running' | 'stopping'
/** Seconds in each state. */
export type Times = Readonly<Record<State, number>>
export const NO_TIME: Times = { stopped: 0, queued: 0, placing: 0, pulling: 0, starting: 0, idle: 0, running: 0, stopping: 0 }
export type Outcome = 'done' | 'interrupted' | 'superseded'

export interface Message {
  readonly thread: number
  readonly planned: Planned
  readonly sentAt: number
  /** The container did not run when it was sent. */
  readonly cold: boolean
  /** Hears of its result. */
  readonly ended: (outcome: Outcome) => void
}

/** What all containers of an account share. */
export interface Account {
  readonly agenda: Agenda
  readonly inputs: Inputs
  readonly tally: Tally
  /** Calls that change an ECS service. */
  readonly modify: Bucket
  /** Starts of tasks. */
  readonly launch: Bucket
  readonly room: Room
}

/** The quota of processors. */
export interface Room {
  /** Calls back at once, or when somebody has given back as much. */
  take(got: () => void): void
  giveBack(): void
}

export interface Container {
  send(planned: Planned, thread: number, ended: Message['ended']): void
  /** Spent in each state so far. */
  readonly seconds: () => Times
}

interface Run {
  readonly message: Message
  readonly beganAt: number
  endsAt: number
  outcome: Outcome
}

/** One user's container: one run at a time, and a newer message interrupts it. */
export function makeContainer({ agenda, inputs, tally, modify, launch, room }: Account, random: Random): Container {
  const { container: own, launch: launching } = inputs
  const seconds: Record<State, number> = { ...NO_TIME }
  let [state, since, idleSince, wakeAgain]: [State, number, number, boolean] = ['stopped', 0, 0, false]
  /** When the sender's last call to wake was granted. */
  let wokenAt = -Infinity
  let waiting: Message[] = []
  let run: Run | undefined
  /** Threads whose agent is in memory. */
  const warm = new Set<number>()

  const turn = (next: State): void => {
    const now = agenda.now()
    seconds[state] += now - since
    tally.turned(state, next, since, now)
    ;[state, since] = [next, now]
  }
  const after = (ms: number, act: () => void): void => agenda.plan(agenda.now() + ms / 1000, act)
  const spread = (ms: number): number => random.lognormal(ms, launching.spread)

  const wake = (allowedAt: number): void => {
    const asked = agenda.now()
    turn('queued')
    agenda.plan(allowedAt, () =>
      room.take(() => {
        const launchedAt = launch.take(agenda.now())
        agenda.plan(launchedAt, () => {
          tally.launched(asked, launchedAt)
          place()
        })
      }),
    )
  }
  /** A call of the sender, which waits its turn. */
  const call = (): void => {
    wokenAt = modify.take(agenda.now())
    tally.woke(agenda.now(), wokenAt)
  }
  /** By a message, and again until its result is there; at most once in a while for all messages, where a call that still waits is not the last one. */
  const keepAwake = (over: () => boolean): void => {
    if (over()) return
    const now = agenda.now()
    if (now < wokenAt || now - wokenAt >= launching.wakeEveryS || state === 'stopped') call()
    if (launching.wakeWhileAwaited > 0) agenda.plan(Math.max(now, wokenAt) + launching.wakeAgainS, () => keepAwake(over))
  }
  const place = (): void => {
    turn('placing')
    after(spread(launching.schedulerMs) + spread(launching.networkMs), () => {
      turn('pulling')
      after(spread((inputs.image.compressedMb / launching.pullMbPerSecond) * 1000), () => {
        turn('starting')
        after(spread(own.startToHealthyMs) + spread(own.takeOverMs), next)
      })
    })
  }
  const next = (): void => {
    const message = waiting.shift()
    if (message !== undefined) return begin(message)
    turn('idle')
    idleSince = agenda.now()
    const began = idleSince
    after(own.autoShutdownMinutes * 60_000, () => {
      if (state === 'idle' && idleSince === began) stop()
    })
  }
  const stop = (): void => {
    turn('stopping')
    warm.clear()
    agenda.plan(modify.take(agenda.now()) + own.stopMs / 1000, () => {
      turn('stopped')
      room.giveBack()
      if (!wakeAgain) return
      wakeAgain = false
      wake(modify.take(agenda.now()))
    })
  }
  const begin = (message: Message): void => {
    turn('running')
    const agentS = (warm.has(message.thread) ? own.warmAgentMs : own.coldAgentMs) / 1000
    warm.add(message.thread)
    tally.asked(agenda.now() + agentS - message.sentAt, message.cold)
    const begun: Run = { message, beganAt: agenda.now(), endsAt: agenda.now() + agentS + message.planned.runS, outcome: 'done' }
    run = begun
    agenda.plan(begun.endsAt, () => end(begun))
  }
  const end = (ended: Run): void => {
    if (run !== ended) return
    run = undefined
    tally.ended(ended.outcome)
    ended.message.ended(ended.outcome)
    next()
  }
  const interrupt = (running: Run): void => {
    const endsAt = Math.max(agenda.now(), running.beganAt + own.minRunMs / 1000) + own.interruptMs / 1000
    if (running.outcome !== 'done' || endsAt >= running.endsAt) return
    ;[running.endsAt, running.outcome] = [endsAt, 'interrupted']
    agenda.plan(endsAt, () => end(running))
  }
  const receive = (message: Message): void => {
    const overtaken = waiting.filter(({ thread }) => thread === message.thread)
    waiting = [...waiting.filter(({ thread }) => thread !== message.thread), message]
    for (const { ended } of overtaken) {
      tally.ended('superseded')
      ended('superseded')
    }
    if (run !== undefined) return interrupt(run)
    if (state === 'idle') return next()
    // It was sent to a container that ran, and which has ended meanwhile.
    if (state === 'stopping') wakeAgain = true
    if (state === 'stopped') wake(modify.take(agenda.now()))
  }
  return {
    seconds: () => ({ ...seconds, [state]: seconds[state] + agenda.now() - since }),
    send(planned, thread, ended) {
      const now = agenda.now()
      let over = false
      const message = {
        thread,
        planned,
        sentAt: now,
        cold: state !== 'idle' && state !== 'running',
        ended: (outcome: Outcome) => {
          over = true
          ended(outcome)
        },
      }
      tally.sent(message.cold)
      if (launching.modifyCallsPerMessage > 0) keepAwake(() => over)
      else if (state === 'stopped') call()
      if (state === 'stopped') wake(wokenAt)
      if (state === 'stopping') wakeAgain = true
      after(own.receiveMs, () => receive(message))
    },
  }
}
