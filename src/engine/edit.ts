import { failpoint } from '../observe/failpoint.ts'
import { readFile } from 'node:fs/promises'
import type { AgentPlace, Keeping } from '../agent/agents.ts'
import { conversationFile } from '../agent/agents.ts'
import { Narrator } from '../agent/narrate.ts'
import type { TurnEnd } from '../agent/turn-end.ts'
import type { Ending, Usage } from '../command/ending.ts'
import type { CommandRecord } from '../journal/journal.ts'
import { messageOf } from '../observe/text.ts'
import { writeAtomically, give } from '../workspace/files.ts'
import { objectsOf } from '../workspace/paths.ts'
import { ensureAgentGit } from '../workspace/thread-home.ts'
import { offerDependencies } from './dependencies.ts'
import type { Thread } from './thread.ts'
import { promptOf } from './prompt.ts'
import { endingOf } from './reasons.ts'
import { Steps } from './steps.ts'
import type { Tools } from './tools.ts'

/** Runs Claude Code with the instruction in the thread's work tree, going on with the thread's conversation. */
export async function edit(run: CommandRecord, thread: Thread, tools: Tools, stop: AbortSignal): Promise<Ending> {
  const place = agentPlace(run, thread)
  const keeping = keepingOf(thread)
  const { agent, pass, forgot } = await tools.agents.take(place, keeping)
  await failpoint('agent.taken')
  const events = tools.events(thread.ref)
  const runId = `${run.command.commandId}#${run.attempt}`
  using narrator = new Narrator((event) => events.append({ ...event, commandId: run.command.commandId, runId }))
  const steps = new Steps(run, thread, tools)
  pass.open()
  try {
    // While its process starts, and not before: starting it ends everything else that runs as its user.
    await Promise.all([offerDependencies(thread, tools, stop), ensureAgentGit(thread.home)])
    const end = await agent.turn({
      content: promptOf(run, forgot && (await hasWorked(thread, tools))),
      mode: run.command.mode,
      stop,
      silenceMs: tools.rules.silenceMs,
      graceMs: tools.rules.graceMs,
      onMessage: (message) => narrator.hear(message),
      onTool: (use) => steps.note(use),
    })
    await failpoint('agent.answered')
    return await settle(end, thread, tools, stop)
  } finally {
    pass.close()
    await steps.done()
    // What the agent did is in the work tree; a conversation that cannot be kept makes no run fail.
    await tools.agents
      .release(place, keeping)
      .catch((error: unknown) => tools.log.warn({ event: 'conversation.not_kept', threadId: thread.ref.threadId, error: messageOf(error) }))
    await failpoint('conversation.kept')
  }
}

/** A thread that has checkpoints has talked before, so a new conversation has lost something. */
const hasWorked = async (thread: Thread, tools: Tools): Promise<boolean> => (await tools.journal.checkpoints(thread.ref)).length > 0

function agentPlace({ command }: CommandRecord, { record, home }: Thread): AgentPlace {
  return {
    slot: home.slot,
    workTree: home.paths.workTree,
    folders: home.paths.agent,
    readable: [objectsOf(home.paths)],
    sessionId: record.sessionId,
    maxBudgetUsd: command.maxCostUsd,
  }
}

function keepingOf({ home }: Thread): Keeping {
  const file = (sessionId: string): string => conversationFile(home.paths.sessions, sessionId)
  return {
    read: (sessionId) => readFile(file(sessionId)).catch(() => undefined),
    write: (sessionId, content) => writeAtomically(file(sessionId), content),
    give: (path) => give(path, home.slot.identity),
  }
}

/** The agent's results are running totals of its conversation; what this turn cost is the difference. */
async function settle(end: TurnEnd, thread: Thread, tools: Tools, stop: AbortSignal): Promise<Ending> {
  const usage = await counted(end, thread, tools)
  switch (end.kind) {
    case 'answered':
      return { kind: 'completed', summary: end.text, usage }
    case 'stopped':
      return withHeard(endingOf(stop.reason), end.heard, usage)
    case 'silent':
      return {
        kind: 'failed',
        code: 'timeout',
        error: `Nothing was heard from the agent for ${tools.rules.silenceMs / 60_000} minutes (RUN_TIMEOUT); what was done is committed.`,
        mayPass: false,
        usage,
      }
    case 'failed':
      return { ...end.failure, usage }
  }
}

const withHeard = (ending: ReturnType<typeof endingOf>, heard: boolean, usage: Usage | undefined): Ending =>
  ending.kind === 'interrupted' ? { ...ending, heard, usage } : { ...ending, usage }

async function counted(end: TurnEnd, thread: Thread, tools: Tools): Promise<Usage | undefined> {
  const usage = end.kind === 'failed' ? end.failure.usage : end.kind === 'silent' ? undefined : end.usage
  if (end.kind === 'silent' || end.agentTotalUsd === undefined || usage === undefined) return usage
  const before = (await tools.journal.thread(thread.ref))?.agentTotalUsd ?? 0
  await tools.journal.updateThread(thread.ref, { agentTotalUsd: end.agentTotalUsd })
  const costUsd = end.agentTotalUsd >= before ? end.agentTotalUsd - before : end.agentTotalUsd
  if (costUsd > 0) tools.events(thread.ref).append({ type: 'cost.counted', costUsd, totalCostUsd: before + costUsd })
  return { ...usage, costUsd }
}
