import { randomBytes } from 'node:crypto'
import { mkdir, open, readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'

/** Values that are too large for an item of a table, each a file of its own on the storage that the workspaces are on. */
export class Values {
  readonly #folder: string

  constructor(folder: string) {
    this.#folder = folder
  }

  /** Durable when it resolves; answers the name by which it is read again. */
  async put(text: string): Promise<string> {
    await mkdir(this.#folder, { recursive: true, mode: 0o700 })
    const name = randomBytes(16).toString('hex')
    await using file = await open(join(this.#folder, name), 'wx', 0o600)
    await file.writeFile(text)
    await file.sync()
    await using folder = await open(this.#folder, 'r')
    await folder.sync()
    return name
  }

  async get(name: string): Promise<string> {
    return readFile(join(this.#folder, name), 'utf8')
  }

  async drop(names: Iterable<string>): Promise<void> {
    for (const name of names) await rm(join(this.#folder, name), { force: true })
  }

  /** Removes what nothing names: a crash may leave it. */
  async keepOnly(names: ReadonlySet<string>): Promise<void> {
    const all = await readdir(this.#folder).catch(() => [])
    await this.drop(all.filter((name) => !names.has(name)))
  }
}
