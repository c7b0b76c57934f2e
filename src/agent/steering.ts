import { randomUUID, type UUID as Uuid } from 'node:crypto'
import type { Content } from './claude-code.ts'

/**
 * Messages that are added to a turn while the agent works on it. Claude Code says of each what becomes of it
 * (`command_lifecycle`: queued, started, completed, cancelled); one that has started is in the conversation.
 */
export class Steering {
  readonly #say: (content: Content, uuid: Uuid) => void
  /** Those that the process has not begun with, by the id they were sent under. */
  readonly #held = new Map<string, string>()
  readonly #unread = new Set<string>()
  #open = false

  constructor(say: (content: Content, uuid: Uuid) => void) {
    this.#say = say
  }

  /** The process holds messages that it has not begun with. */
  get holding(): boolean {
    return this.#held.size > 0
  }

  open(): void {
    this.#held.clear()
    this.#unread.clear()
    this.#open = true
  }

  put(content: Content, key: string): boolean {
    if (!this.#open) return false
    const uuid = randomUUID()
    this.#held.set(uuid, key)
    this.#unread.add(key)
    this.#say(content, uuid)
    return true
  }

  hear(message: object): void {
    if (Reflect.get(message, 'type') !== 'command_lifecycle') return
    const [uuid, state] = [String(Reflect.get(message, 'command_uuid')), Reflect.get(message, 'state')]
    const key = this.#held.get(uuid)
    if (key === undefined || state === 'queued') return
    this.#held.delete(uuid)
    if (state !== 'cancelled') this.#unread.delete(key)
  }

  /** Takes no more; answers the keys of those that were never read. */
  close(): readonly string[] {
    this.#open = false
    return [...this.#unread]
  }
}
