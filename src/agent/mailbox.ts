/** Items put in one by one and read as an async iterable, which ends when the box is closed. */
export class Mailbox<Item> implements AsyncIterable<Item> {
  readonly #items: Item[] = []
  #closed = false
  #wake: () => void = () => {}

  put(item: Item): void {
    this.#items.push(item)
    this.#wake()
  }

  close(): void {
    this.#closed = true
    this.#wake()
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Item, void> {
    for (;;) {
      const item = this.#items.shift()
      if (item !== undefined) yield item
      else if (this.#closed) return
      else await new Promise<void>((resolve) => (this.#wake = resolve))
    }
  }
}
