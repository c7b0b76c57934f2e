import { basename } from 'node:path'
import type { ThreadRef } from '../../command/ids.ts'
import { pictureFolder } from '../../engine/pictures.ts'
import { isSignature, signatureOf } from './signature.ts'

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
    return `${this.#publicUrl}/pictures/${folder}/${signatureOf(this.#key, textOf(folder, name))}/${name}`
  }

  isValid(folder: string, signature: string, name: string): boolean {
    return isSignature(signature, this.#key, textOf(folder, name))
  }
}

/** What is signed. */
const textOf = (folder: string, name: string): string => `picture ${folder} ${name}`
