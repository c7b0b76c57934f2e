import { randomBytes } from 'node:crypto'
import { mkdir, open, rename, rm, statfs, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { exists } from './files.ts'

const MEGABYTE = 1024 * 1024
/** Names that are kept back beside the bytes; on some file systems those run out first. */
const RESERVE_FILES = 256
/** At most this part of what is free is kept back. */
const SHARE = 16
/** Less than this, and writes fail for want of room. */
const FULL_BYTES = 4 * MEGABYTE
const FULL_FILES = 64
/** How often a reserve that is gone is tried to be made again. */
const AGAIN_MS = 5000

/**
 * Room on the disk that is kept back, in bytes and in files, so that what a run wrote can still be committed, and recorded,
 * when the disk has filled up. While the reserve is gone and cannot be made again, nothing more may be accepted.
 */
export class Room {
  readonly #root: string
  readonly #folder: string
  readonly #bytes: number
  #triedAt = Number.NEGATIVE_INFINITY
  #givenAt = Number.NEGATIVE_INFINITY
  #making: Promise<boolean> | undefined
  #kept = false

  /** @param bytes to keep back, or less on a small disk; 0 keeps nothing */
  constructor(root: string, own: string, bytes: number) {
    this.#root = root
    this.#bytes = bytes
    this.#kept = bytes === 0
    this.#folder = join(own, 'reserve')
  }

  /** Whether the reserve is there; it is made again where there is room for it. */
  async kept(): Promise<boolean> {
    if (this.#kept) return true
    this.#making ??= this.#look().finally(() => (this.#making = undefined))
    return this.#making
  }

  async #look(): Promise<boolean> {
    if (performance.now() - this.#triedAt < AGAIN_MS) return false
    this.#triedAt = performance.now()
    await rm(`${this.#folder}.making`, { recursive: true, force: true })
    this.#kept = (await exists(this.#folder)) || (await this.#make().catch(() => false))
    return this.#kept
  }

  /** Whether writes fail for want of bytes or of files. */
  async isFull(): Promise<boolean> {
    const { bavail, bsize, ffree, files } = await statfs(this.#root)
    return bavail * bsize < FULL_BYTES || (files > 0 && ffree < FULL_FILES)
  }

  /** Gives the reserve back where the disk is full; answers whether that made room, now or a moment ago for somebody else. */
  async makeRoom(): Promise<boolean> {
    if (performance.now() - this.#givenAt < AGAIN_MS) return true
    if (!(await exists(this.#folder)) || !(await this.isFull())) return false
    this.#kept = false
    this.#triedAt = performance.now()
    this.#givenAt = performance.now()
    await rename(this.#folder, `${this.#folder}.making`) // half of it is no reserve
    await rm(`${this.#folder}.making`, { recursive: true, force: true })
    return true
  }

  /** What it writes is random, so that no file system stores it in less than it is long. */
  async #make(): Promise<boolean> {
    const { bavail, bsize, ffree, files } = await statfs(this.#root)
    const bytes = Math.min(this.#bytes, Math.floor((bavail * bsize) / SHARE))
    if (bytes < FULL_BYTES / SHARE || (await this.isFull())) return false
    const making = `${this.#folder}.making`
    try {
      await mkdir(making, { mode: 0o700 })
      await using room = await open(join(making, 'room'), 'w', 0o600)
      const block = randomBytes(MEGABYTE)
      for (let left = bytes; left > 0; left -= MEGABYTE) await room.write(block, 0, Math.min(left, MEGABYTE))
      const count = files === 0 ? 0 : Math.min(RESERVE_FILES, Math.floor(ffree / SHARE))
      for (let n = 0; n < count; n += 1) await writeFile(join(making, String(n)), '')
      await rename(making, this.#folder)
      return true
    } catch (error) {
      await rm(making, { recursive: true, force: true })
      throw error
    }
  }
}
