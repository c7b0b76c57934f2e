/** A file that goes along with a message. */
export interface Attachment {
  readonly name: string
  readonly mediaType: string
  /** base64 */
  readonly data: string
}

/** As the service takes them. */
const MAX_BYTES = 5_000_000
export const MAX_FILES = 10
const TYPES: ReadonlySet<string> = new Set([
  'image/png',
  'image/jpeg',
  'image/gif',
  'image/webp',
  'image/svg+xml',
  'application/pdf',
  'text/plain',
  'text/markdown',
  'text/csv',
  'text/html',
  'text/css',
  'application/json',
])

/** Reads a file that was dropped, pasted or chosen. @throws Error whose message is for a person */
export async function attachmentOf(file: File): Promise<Attachment> {
  if (file.size > MAX_BYTES) throw new Error(`${file.name} is larger than 5 MB. Make it smaller and add it again.`)
  const url = await new Promise<string>((resolve, reject) => {
    const reader = new FileReader()
    reader.addEventListener('load', () => resolve(typeof reader.result === 'string' ? reader.result : ''))
    reader.addEventListener('error', () => reject(new Error(`${file.name} cannot be read.`)))
    reader.readAsDataURL(file)
  })
  const mediaType = TYPES.has(file.type) ? file.type : 'application/octet-stream'
  return { name: file.name.replaceAll(/\p{Cc}/gu, '').slice(0, 200) || 'file', mediaType, data: url.slice(url.indexOf(',') + 1) }
}

/** Where an image can be shown from, or `undefined` for what is none. */
export const imageOf = ({ mediaType, data }: Attachment): string | undefined =>
  mediaType.startsWith('image/') && mediaType !== 'image/svg+xml' ? `data:${mediaType};base64,${data}` : undefined
