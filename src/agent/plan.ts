import * as z from 'zod'
import type { NewEvent } from '../command/event.ts'
import { printable } from '../observe/text.ts'

type Item = Extract<NewEvent, { type: 'plan.changed' }>['items'][number]

const MAX_ITEMS = 50
const MAX_TEXT = 200

const Created = z.object({ subject: z.string() })
const Id = z.object({ task: z.object({ id: z.string() }) })
const Updated = z.object({ taskId: z.string(), subject: z.string().optional(), status: z.enum(['pending', 'in_progress', 'completed', 'deleted']).optional() })

/** What the agent means to do, out of its calls of `TaskCreate` and `TaskUpdate` in one turn. */
export class Plan {
  readonly #asked = new Map<string, string>()
  readonly #items = new Map<string, Item>()

  get items(): Item[] {
    return [...this.#items.values()]
  }

  /** A tool is called. Answers whether the plan is another one by it. */
  called(tool: string, toolUseId: string, input: unknown): boolean {
    if (tool === 'TaskCreate') {
      const subject = Created.safeParse(input).data?.subject
      if (subject !== undefined) this.#asked.set(toolUseId, printable(subject, MAX_TEXT))
      return false
    }
    const { taskId = '', subject, status } = (tool === 'TaskUpdate' ? Updated.safeParse(input).data : undefined) ?? {}
    const known = this.#items.get(taskId)
    if (known === undefined) return false
    if (status === 'deleted') this.#items.delete(taskId)
    else this.#items.set(taskId, { text: subject === undefined ? known.text : printable(subject, MAX_TEXT), state: status ?? known.state })
    return true
  }

  /** A tool has answered: of what was created the id is known from here on. Answers whether the plan is another one by it. */
  answered(toolUseId: string, result: unknown): boolean {
    const [subject, id] = [this.#asked.get(toolUseId), Id.safeParse(result).data?.task.id]
    this.#asked.delete(toolUseId)
    if (subject === undefined || id === undefined || this.#items.size >= MAX_ITEMS) return false
    this.#items.set(id, { text: subject, state: 'pending' })
    return true
  }
}
