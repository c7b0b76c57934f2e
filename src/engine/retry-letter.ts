import { commandShape } from '../command/command.ts'
import { ClientId, CommandId, ProjectId, UserId } from '../command/ids.ts'
import type { BuriedLetter, CommandRecord } from '../journal/journal.ts'
import type { Acceptance } from './acceptance.ts'
import type { Engine } from './engine.ts'
import type { Tools } from './tools.ts'

/**
 * Hands a command in again that was given up, as a new one: its former result stands. Its first sender gets the new result too. The letter
 * is kept no longer once that is recorded. `undefined` where the message was never accepted, so that there is nothing to hand in.
 */
export async function retryLetter(letter: BuriedLetter, engine: Engine, { journal }: Tools): Promise<Acceptance | undefined> {
  const record = await commandOf(letter, journal)
  const commandId = CommandId.safeParse(`${letter.commandId?.slice(0, 100)}.retry-${letter.n}`).data
  if (record === undefined || commandId === undefined) return undefined
  const [reply] = record.replies
  const instruction = instructionIn(letter) ?? record.command.instruction // with what it had taken along
  const accepted = await engine.accept({ ...record.command, instruction, commandId, timestamp: Date.now() }, record.way, reply && { ...reply, id: commandId })
  if (accepted.kind === 'accepted' || accepted.kind === 'duplicate') await journal.unbury(letter.n)
  return accepted
}

function instructionIn({ body }: BuriedLetter): string | undefined {
  try {
    return commandShape.instruction.safeParse(Object(JSON.parse(body))['instruction']).data
  } catch {
    return undefined // it was cut
  }
}

async function commandOf({ body, commandId, givenUp }: BuriedLetter, journal: Tools['journal']): Promise<CommandRecord | undefined> {
  if (givenUp === undefined) return undefined
  let of: Record<string, unknown>
  try {
    of = Object(JSON.parse(body))
  } catch {
    return undefined // what is no JSON was never a command
  }
  const id = CommandId.safeParse(commandId).data
  const [clientId, userId, projectId] = [
    ClientId.safeParse(of['clientId']).data,
    UserId.safeParse(of['userId']).data,
    ProjectId.safeParse(of['projectId']).data,
  ]
  if (id === undefined || clientId === undefined || userId === undefined || projectId === undefined) return undefined
  const record = await journal.command({ workspace: { clientId, userId, projectId }, commandId: id })
  return record?.state === 'ended' ? record : undefined
}
