import { failpoint } from '../observe/failpoint.ts'
import type { Account } from '../agent/account.ts'
import type { Ready } from '../agent/agents.ts'
import { Narrator } from '../agent/narrate.ts'
import type { TurnEnd } from '../agent/turn-end.ts'
import type { Ending } from '../command/ending.ts'
import { refOf, type CommandRecord } from '../journal/journal.ts'
import { messageOf } from '../observe/text.ts'
import { ensureAgentGit } from '../workspace/thread-home.ts'
import { agentPlace, keepingOf } from './agent-place.ts'
import { layOut } from './attachments.ts'
import { offerDependencies, wantingOf } from './dependencies.ts'
import type { Thread } from './thread.ts'
import { addition, promptOf } from './prompt.ts'
import { endingOf } from './reasons.ts'
import { openAccount } from './spending.ts'
import { Steps } from './steps.ts'
import type { Tools } from './tools.ts'

/** Runs Claude Code with the instruction in the thread's work tree, going on with the thread's conversation. */
export async function edit(run: CommandRecord, thread: Thread, tools: Tools, stop: AbortSignal): Promise<Ending> {
  const account = await openAccount(run, tools)
  const either = AbortSignal.any([stop, account.over])
  if (either.aborted) return endingOf(either.reason)
  const [place, keeping] = [agentPlace(thread.ref, thread.record, thread.home), keepingOf(thread.home)]
  const ready = await tools.agents.take(place, keeping)
  await failpoint('agent.taken')
  ready.pass.open(account)
  try {
    return await converse(run, thread, ready, account, tools, either)
  } finally {
    ready.pass.close()
    await account.settled()
    // What the agent did is in the work tree; a conversation that cannot be kept makes no run fail.
    await tools.agents
      .release(place, keeping)
      .catch((error: unknown) => tools.log.warn({ event: 'conversation.not_kept', threadId: thread.ref.threadId, error: messageOf(error) }))
    await failpoint('conversation.kept')
  }
}

async function converse(run: CommandRecord, thread: Thread, { agent, forgot }: Ready, account: Account, tools: Tools, stop: AbortSignal): Promise<Ending> {
  const events = tools.events(thread.ref)
  const [of, runId] = [refOf(run.command), `${run.command.commandId}#${run.attempt}`]
  using narrator = new Narrator((event) => events.append({ ...event, commandId: run.command.commandId, runId }))
  const steps = new Steps(run, thread, tools)
  const early: CommandRecord[] = []
  let give = (record: CommandRecord): void => void early.push(record)
  const hearing = tools.steered.open(of, (record) => give(record))
  try {
    const together = [...(await tools.journal.steeredInto(of))]
    const known = new Set(together.map(({ command }) => command.commandId))
    const given = await layOut(
      [...run.carried, run.command, ...together.map(({ command }) => command)].flatMap(({ attachments }) => attachments),
      thread,
    )
    // An agent that has had no turn acts on nothing before its model has answered, which is held back meanwhile. One that has may be
    // anybody's, and stands still as long as the service touches its files.
    const prepared = Promise.all([offerDependencies(wantingOf(thread, tools), tools, stop), ensureAgentGit(thread.home)])
    account.holdAnswersUntil(prepared)
    if (!agent.fresh) await prepared
    const steered = new Set<CommandRecord>()
    const { end, said, unread } = await agent.turn({
      content: promptOf(run, { together, given, forgot: forgot && (await hasWorked(thread, tools)) }),
      mode: run.command.mode,
      stop,
      silenceMs: tools.rules.silenceMs,
      graceMs: tools.rules.graceMs,
      onMessage: (message) => narrator.hear(message),
      onTool: (use) => steps.note(use),
      onOpen: () => {
        give = (record) => {
          if (known.has(record.command.commandId) || !agent.steer(addition(record), record.command.commandId)) return
          steered.add(record)
        }
        for (const record of early.splice(0)) give(record)
      },
    })
    await failpoint('agent.answered')
    await prepared
    const late = [...steered].map(({ command }) => command.commandId).filter((id) => !unread.includes(id))
    hearing.read = new Set(end.kind === 'stopped' && !end.heard ? [] : [...known, ...late])
    if (end.kind === 'answered' && end.question !== undefined)
      events.append({ type: 'question.asked', commandId: run.command.commandId, runId, question: end.question })
    if (said !== undefined) await tools.journal.updateThread(thread.ref, { said })
    return endOf(end, account, tools, stop)
  } finally {
    await steps.done()
  }
}

/** A thread that has checkpoints has talked before, so a new conversation has lost something. */
const hasWorked = async (thread: Thread, tools: Tools): Promise<boolean> => (await tools.journal.checkpoints(thread.ref)).length > 0

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
      return end.refused === true && account.limitedUntil > Date.now() ? { ...end.failure, limitedUntil: account.limitedUntil } : end.failure
  }
}
