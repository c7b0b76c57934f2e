import type { Attachment } from '../command/command.ts'

/** As the service takes them. */
const MAX_BYTES = 5_000_000
const MAX_FILES = 10
/** Of all together, as base64: a request is at most 20 MB. */
const MAX_ALL = 18_000_000
/** What the service takes; the compiler sees to it that none is missing. */
const TYPES: Readonly<Record<Attachment['mediaType'], true>> = {
  'image/png': true,
  'image/jpeg': true,
  'image/gif': true,
  'image/webp': true,
  'image/svg+xml': true,
  'application/pdf': true,
  'text/plain': true,
  'text/markdown': true,
  'text/csv': true,
  'text/html': true,
  'text/css': true,
  'application/json': true,
  'application/octet-stream': true,
}
const isTaken = (type: string): type is Attachment['mediaType'] => Object.hasOwn(TYPES, type)

/** Reads a file that was dropped, pasted or chosen. @throws Error whose message is for a person */
export async function attachmentOf(file: File): Promise<Attachment> {
  if (file.size > MAX_BYTES) throw new Error(`${file.name} is larger than 5 MB. Make it smaller and add it again.`)
  const url = await new Promise<string>((resolve, reject) => {
    const reader = new FileReader()
    reader.addEventListener('load', () => resolve(typeof reader.result === 'string' ? reader.result : ''))
    reader.addEventListener('error', () => reject(new Error(`${file.name} cannot be read.`)))
    reader.readAsDataURL(file)
  })
  const mediaType = isTaken(file.type) ? file.type : 'application/octet-stream'
  return { name: file.name.replaceAll(/\p{Cc}/gu, '').slice(0, 200) || 'file', mediaType, data: url.slice(url.indexOf(',') + 1) }
}

/** Where an image can be shown from, or `undefined` for what is none. */
export const imageOf = ({ mediaType, data }: Attachment): string | undefined =>
  mediaType.startsWith('image/') && mediaType !== 'image/svg+xml' ? `data:${mediaType};base64,${data}` : undefined

/** The files that a message has with some more, as many as it takes, and what is said of the others. */
export function together(had: readonly Attachment[], read: readonly PromiseSettledResult<Attachment>[]): readonly [readonly Attachment[], readonly string[]] {
  const [kept, problems]: [Attachment[], string[]] = [[...had], []]
  for (const each of read) {
    if (each.status === 'rejected') problems.push(each.reason instanceof Error ? each.reason.message : 'A file cannot be read.')
    else if (kept.length >= MAX_FILES) problems.push(`${each.value.name} is left out: a message takes ${MAX_FILES} files.`)
    else if (kept.reduce((sum, { data }) => sum + data.length, each.value.data.length) > MAX_ALL)
      problems.push(`${each.value.name} is left out: the files of a message are 13 MB together at most.`)
    else kept.push(each.value)
  }
  return [kept, problems]
}
