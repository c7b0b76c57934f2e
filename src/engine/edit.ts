import { failpoint } from '../observe/failpoint.ts'
import type { Account } from '../agent/account.ts'
import type { Ready } from '../agent/agents.ts'
import type { ToolUse } from '../agent/claude-code.ts'
import { Narrator } from '../agent/narrate.ts'
import type { TurnEnd, Turned } from '../agent/turn-end.ts'
import type { Ending } from '../command/ending.ts'
import type { ThreadRef } from '../command/ids.ts'
import { refOf, type CommandRecord, type ThreadRecord } from '../journal/journal.ts'
import { messageOf } from '../observe/text.ts'
import { ensureAgentGit, type ThreadHome } from '../workspace/thread-home.ts'
import { agentPlace, keepingOf } from './agent-place.ts'
import { clearGiven, layOut } from './attachments.ts'
import { offerDependencies, wantingOf } from './dependencies.ts'
import type { Thread } from './thread.ts'
import { checkPages, UNSEEN, type Checked } from './page-check.ts'
import { Pictures } from './pictures.ts'
import { promptOf, repairOf } from './prompt.ts'
import { endingOf } from './reasons.ts'
import { openAccount } from './spending.ts'
import { SteeredIn } from './steered-in.ts'
import { Steps } from './steps.ts'
import type { Tools } from './tools.ts'

/** A model that is back so soon is asked again as after any failure that may pass, a few times. */
const SHORT_MS = 2000

/** Where an edit takes place: known before the thread has been made ready. */
export interface Spot {
  readonly ref: ThreadRef
  readonly record: ThreadRecord
  readonly home: Pick<ThreadHome, 'slot' | 'paths'>
}

/** How far the thread is when its agent is told the message. */
export interface Readiness {
  readonly thread: Promise<Thread>
  /** The model has been asked; an agent that waited is that far before its thread is ready. */
  readonly onAsked?: () => void
}

/** Runs Claude Code with the instruction in the thread's work tree, going on with the thread's conversation. */
export async function edit(run: CommandRecord, spot: Spot, readiness: Readiness, tools: Tools, stop: AbortSignal): Promise<Ending> {
  const account = await openAccount(run, tools)
  const either = AbortSignal.any([stop, account.over])
  if (either.aborted) return endingOf(either.reason)
  const [place, keeping] = [agentPlace(spot.ref, spot.record, spot.home), keepingOf(spot.home)]
  const ready = await tools.agents.take(place, keeping)
  await failpoint('agent.taken')
  const prepared = Promise.withResolvers<void>()
  ready.pass.open(account, prepared.promise)
  void account.asked.then(readiness.onAsked)
  try {
    return await converse(run, spot, { preparing: readiness.thread, prepared }, ready, account, tools, either)
  } finally {
    ready.pass.close()
    await account.settled()
    // What the agent did is in the work tree; a conversation that cannot be kept makes no run fail.
    await tools.agents
      .release(place, keeping)
      .catch((error: unknown) => tools.log.warn({ event: 'conversation.not_kept', threadId: spot.ref.threadId, error: messageOf(error) }))
    await failpoint('conversation.kept')
  }
}

async function converse(
  run: CommandRecord,
  { ref, home }: Spot,
  { preparing, prepared }: { readonly preparing: Promise<Thread>; readonly prepared: PromiseWithResolvers<void> },
  { agent, forgot }: Ready,
  account: Account,
  tools: Tools,
  stop: AbortSignal,
): Promise<Ending> {
  const events = tools.events(ref)
  const [of, about] = [refOf(run.command), { commandId: run.command.commandId, runId: `${run.command.commandId}#${run.attempt}` }]
  using narrator = new Narrator((event) => events.append({ ...event, ...about }))
  const steered = new SteeredIn(agent, home)
  const hearing = tools.steered.hearing(of)
  if (hearing !== undefined) hearing.give = (record) => steered.give(record)
  let steps: Steps | undefined
  let pictures: Pictures | undefined
  try {
    const together = steered.begin(await tools.journal.steeredInto(of))
    await clearGiven(home)
    const given = await layOut(
      [...run.carried, run.command, ...together.map(({ command }) => command)].flatMap(({ attachments }) => attachments),
      home,
    )
    // An agent that has had no turn acts on nothing before its model has answered, which is held back meanwhile. One that has may be
    // anybody's, and stands still as long as the service touches its files.
    const made = preparing.then(async (thread) => {
      await Promise.all([offerDependencies(wantingOf(thread, tools), tools, stop), ensureAgentGit(thread.home)])
      steps = new Steps(run, thread, tools)
      tools.previews.goOn(home.slot.slot)
      tools.working(ref)
      pictures = new Pictures(thread, run.command.commandId, tools)
      await pictures.before(stop)
      return thread
    })
    made.then(() => prepared.resolve(), prepared.reject)
    if (!agent.fresh) await made
    const turn = {
      mode: run.command.mode,
      stop,
      silenceMs: tools.rules.silenceMs,
      graceMs: tools.rules.graceMs,
      onMessage: (message: Parameters<Narrator['hear']>[0]) => narrator.hear(message),
      onTool: async (use: ToolUse) => steps?.note(use),
    }
    const content = promptOf(run, { together, given, forgot: forgot && (await hasWorked(ref, tools)) })
    const first = await agent.turn({ ...turn, content, onOpen: () => steered.open() })
    await failpoint('agent.answered')
    const { end, said, unread, seen } = await withPages(first, await made, tools, stop, (text) => {
      events.append({ ...about, type: 'progress', text: 'The preview shows an error; the agent is asked to mend it.' })
      return agent.turn({ ...turn, content: [{ type: 'text', text }], onOpen: () => {} })
    })
    if (hearing !== undefined) hearing.read = end.kind === 'stopped' && !end.heard ? new Set() : steered.read(unread)
    if (end.kind === 'answered' && end.question !== undefined) events.append({ ...about, type: 'question.asked', question: end.question })
    if (said !== undefined) await noteSaid(ref, said, tools)
    const ending = endOf(end, account, tools, stop)
    return ending.kind === 'completed'
      ? { ...ending, pages: seen.pages, pageErrors: seen.errors, pictures: (await pictures?.after(seen.pages, stop)) ?? [] }
      : ending
  } finally {
    await steps?.done()
  }
}

interface Seen extends Turned {
  readonly seen: Checked
}

/** Looks what an answer broke on pages; the agent may be asked to mend that first. */
async function withPages(first: Turned, thread: Thread, tools: Tools, stop: AbortSignal, mend: (text: string) => Promise<Turned>): Promise<Seen> {
  let { end, said, unread } = first
  for (let repairs = 0; ; repairs += 1) {
    const seen = end.kind === 'answered' ? await checkPages(thread, tools, stop) : UNSEEN
    const over = end.kind !== 'answered' || end.question !== undefined || stop.aborted || repairs >= tools.preview.autoRepair
    if (over || seen.errors.length === 0) {
      // The summary is of what the message asked for, and not of how its faults were mended.
      if (end.kind === 'answered' && first.end.kind === 'answered') end = { ...end, text: first.end.text }
      return { end, said, unread, seen }
    }
    const mended = await mend(repairOf(seen.errors))
    ;[said, unread] = [mended.said ?? said, [...unread, ...mended.unread]]
    // What the message asked for is done, however its mending went; only being stopped ends it otherwise, and it was heard.
    if (mended.end.kind === 'failed' || mended.end.kind === 'silent') return { end, said, unread, seen }
    end = mended.end.kind === 'stopped' ? { kind: 'stopped', heard: true } : mended.end
  }
}

/**
 * Notes where the conversation stands, for who goes back to this run later. It is no reason to fail: on a full disk the run is still
 * saved, with the room that is kept back, and going back to it has the conversation stand one turn earlier.
 */
async function noteSaid(ref: ThreadRef, said: string, { journal, log }: Tools): Promise<void> {
  await journal
    .updateThread(ref, { said })
    .catch((error: unknown) => log.warn({ event: 'conversation.not_noted', threadId: ref.threadId, error: messageOf(error) }))
}

/** A thread that has checkpoints has talked before, so a new conversation has lost something. */
const hasWorked = async (ref: ThreadRef, tools: Tools): Promise<boolean> => (await tools.journal.checkpoints(ref)).length > 0

function endOf(end: TurnEnd, account: Account, tools: Tools, stop: AbortSignal): Ending {
  switch (end.kind) {
    case 'answered':
      return { kind: 'completed', summary: end.text, question: end.question }
    case 'stopped': {
      const ending = endingOf(stop.reason)
      return ending.kind === 'interrupted' ? { ...ending, heard: end.heard } : ending
    }
    case 'silent':
      return {
        kind: 'failed',
        code: 'timeout',
        error: `Nothing was heard from the agent for ${tools.rules.silenceMs / 60_000} minutes (RUN_TIMEOUT); what was done is committed.`,
        mayPass: false,
      }
    case 'failed':
      // The agent is refused what its budget does not allow, and may have ended its turn before it was stopped.
      if (account.over.aborted) return endingOf(account.over.reason)
      return end.refused === true && end.failure.mayPass && account.limitedUntil > Date.now() + SHORT_MS
        ? { ...end.failure, code: 'rate_limited', limitedUntil: account.limitedUntil }
        : end.failure
  }
}
