import { createHmac, timingSafeEqual } from 'node:crypto'
import { basename } from 'node:path'
import type { ThreadRef } from '../../command/ids.ts'
import { pictureFolder } from '../../engine/pictures.ts'

/** Links to pictures for whoever looks at a pull request: each holds for one picture, and nobody guesses it. */
export class PictureLinks {
  readonly #key: Buffer
  readonly #publicUrl: string

  constructor(key: Buffer, publicUrl: string) {
    this.#key = key
    this.#publicUrl = publicUrl
  }

  /** @param path of the picture in the API, as a result names it */
  url(ref: ThreadRef, path: string): string {
    const [folder, name] = [pictureFolder(ref), basename(path.split('?')[0] ?? '')]
    return `${this.#publicUrl}/pictures/${folder}/${this.#sign(folder, name)}/${name}`
  }

  isValid(folder: string, signature: string, name: string): boolean {
    const [shown, right] = [Buffer.from(signature), Buffer.from(this.#sign(folder, name))]
    return shown.length === right.length && timingSafeEqual(shown, right)
  }

  #sign(folder: string, name: string): string {
    return createHmac('sha256', this.#key).update(`picture ${folder} ${name}`).digest('base64url')
  }
}
