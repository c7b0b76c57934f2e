import { createHash } from 'node:crypto'
import { readFile, rename, writeFile } from 'node:fs/promises'
import PostalMime from 'postal-mime'

/** A mail as a message to a thread. */
export interface Mail {
  /** Of its file in `new/`. */
  readonly name: string
  readonly threadId: string
  readonly commandId: string
  /** Empty where there is no plain text in it. */
  readonly instruction: string
  /** Who is answered; `undefined` where nobody is: an automatic mail, or one without a sender. */
  readonly userEmail: string | undefined
  /** The headers of an answer to it. */
  readonly answer: string
}

/** Those of a thread that an answer names; mail servers take no header without end. */
const MOST_REFERENCES = 20
const MOST_SUBJECT = 200
/** One more than Branchline takes, so that it says itself that this is too long. */
const MOST_INSTRUCTION = 100_001

const hash = (text: string | Buffer): string => createHash('sha256').update(text).digest('hex').slice(0, 12)
const idsIn = (header: string | undefined): readonly string[] => header?.match(/<[\x21-\x3b\x3d\x3f-\x7e]{1,250}>/g) ?? []

/** Reads a mail of a Maildir. `from` is the address that answers come from; without it, the one that the mail was sent to. */
export async function readMail(maildir: string, name: string, from?: string): Promise<Mail> {
  const bytes = await readFile(`${maildir}/new/${name}`)
  const { headers, from: sender, to = [], deliveredTo, subject = '', messageId, inReplyTo, references, text, html } = await PostalMime.parse(bytes)
  const own = idsIn(messageId)[0]
  const id = own ?? `<${hash(bytes)}@no-message-id.invalid>` // the bytes are the same after a restart
  const before = [...new Set([...idsIn(references), ...idsIn(inReplyTo)])]
  const said = [before.length === 0 ? subject : '', withoutQuotes(text ?? '')].join('\n\n').trim()
  const header = (key: string): string => headers.find((each) => each.key === key)?.value ?? ''
  const automatic =
    !/^(no)?$/i.test(header('auto-submitted').trim()) || /bulk|junk|list|auto/i.test(header('precedence')) || header('return-path').trim() === '<>'
  const threadId = threadOf(before[0] ?? id)
  const [us, them] = [addressOf(from ?? deliveredTo ?? to[0]?.address), addressOf(sender?.address)]
  return {
    name,
    threadId,
    commandId: id.length <= 128 ? id : hash(id),
    instruction: text === undefined && html !== undefined ? '' : said.slice(0, MOST_INSTRUCTION),
    userEmail: automatic || them === us ? undefined : them,
    answer: [
      ...(us === undefined ? [] : [`From: <${us}>`]),
      `To: <${them}>`,
      `Subject: ${encoded(/^re:/i.test(subject) ? subject : `Re: ${subject}`)}`,
      `Message-ID: <${threadId}/${hash(id)}@branchline.invalid>`, // always the same, so that one that is written twice is one
      ...(own === undefined
        ? []
        : [`In-Reply-To: ${id}`, `References: ${[...before.slice(0, 1), ...before.slice(1).slice(-MOST_REFERENCES), id].join('\n ')}`]),
      'Auto-Submitted: auto-replied',
      'MIME-Version: 1.0',
      'Content-Type: text/plain; charset=utf-8',
      'Content-Transfer-Encoding: base64',
    ].join('\n'),
  }
}

/** Puts an answer into the outbox, whole or not at all, and takes the mail out of `new/` then. An answer that is written twice is one file. */
export async function putAnswer(maildir: string, outbox: string, { name, answer }: Mail, text: string): Promise<void> {
  const body = Buffer.from(text.replaceAll(/\r?\n/g, '\r\n')).toString('base64').replaceAll(/.{76}/g, '$&\n')
  const date = new Date().toUTCString().replace('GMT', '+0000')
  await writeFile(`${outbox}/tmp/${name}`, `Date: ${date}\n${answer}\n\n${body}\n`, { flush: true })
  await rename(`${outbox}/tmp/${name}`, `${outbox}/new/${name}`)
  await putAway(maildir, name)
}

/** From `new/` to `cur/`, as seen. */
export async function putAway(maildir: string, name: string): Promise<void> {
  await rename(`${maildir}/new/${name}`, `${maildir}/cur/${name.split(':')[0]}:2,S`).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error // a mail program has moved it
  })
}

/** The thread of the mail that a conversation began with. Our own answers name it, for mail programs that name nothing before them. */
function threadOf(id: string): string {
  const ours = /^<(mail-[a-z0-9-]{1,60})\/[0-9a-f]+@branchline\.invalid>$/.exec(id)?.[1]
  const slug = id
    .slice(1)
    .replace(/@.*/, '')
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
  return ours ?? `mail-${slug.slice(0, 30)}-${hash(id)}`
}

/** Without what is quoted, and without the signature. */
function withoutQuotes(text: string): string {
  const lines = text.split(/\r?\n/)
  const signature = lines.indexOf('-- ')
  return lines
    .slice(0, signature === -1 ? undefined : signature)
    .filter((line) => !line.startsWith('>'))
    .join('\n')
    .trim()
}

/** Only what can stand in a header as it is. */
const addressOf = (text: string | undefined): string | undefined =>
  /^[^\s\p{Cc}<>()[\]\\,;:"@]+@[^\s\p{Cc}<>()[\]\\,;:"@]+$/u.test(text ?? '') ? text : undefined

/** One line, whatever was in it; what is not ASCII in pieces of base64 (RFC 2047). */
function encoded(text: string): string {
  const line = [...text.replaceAll(/[\p{Cc}\p{Zl}\p{Zp}\s]+/gu, ' ')].slice(0, MOST_SUBJECT)
  if (line.every((character) => character <= '~')) return line.join('')
  const pieces = Array.from({ length: Math.ceil(line.length / 9) }, (_, at) => Buffer.from(line.slice(at * 9, at * 9 + 9).join('')).toString('base64'))
  return pieces.map((piece) => `=?utf-8?B?${piece}?=`).join('\n ')
}
