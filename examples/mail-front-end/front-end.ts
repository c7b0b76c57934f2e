// Turns the mails of a Maildir into messages to Branchline, and answers each by a mail. See README.md.
import { once } from 'node:events'
import { watch } from 'node:fs'
import { mkdir, readdir } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { connect, type Result } from 'branchline/client'
import { putAnswer, putAway, readMail, type Mail } from './mail.ts'

const { MAILDIR, MAIL_FROM, QUEUE_TABLE, QUEUE_PREFIX, CLIENT_ID, PROJECT_ID, USER_ID, INPUT_QUEUE_URL, OUTPUT_QUEUE_URL } = process.env
/** How often `new/` is looked into, whether something was noticed there or not. */
const LOOK_MS = 30_000

const needed = (name: string, value: string | undefined): string => {
  if (value === undefined || value === '') throw new Error(`${name} must be set`)
  return value
}

const maildir = resolve(needed('MAILDIR', MAILDIR))
const outbox = join(dirname(maildir), 'outbox')
for (const folder of ['new', 'cur', 'tmp']) await mkdir(join(outbox, folder), { recursive: true })

const stop = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort())

/** Mails that were sent and have no answer yet, by the ids of their messages. */
const sent = new Map<string, Mail>()
const report = (error: unknown): void => console.error(error)

/** Called with each result before it leaves its queue: where an answer cannot be written, the result comes again. */
async function onResult(result: Result): Promise<void> {
  const mail = sent.get(result.commandId)
  if (mail === undefined) return // answered before
  await putAnswer(maildir, outbox, mail, textOf(result))
  sent.delete(result.commandId)
  console.log(`${mail.threadId} answered ${mail.name}`)
}

function textOf({ success, question, summary, error = summary, branch, simulated, previewUrl }: Result): string {
  const said = question ?? (success ? summary : error)
  return [said, '', branch && `Branch: ${branch}${simulated ? ' (simulated)' : ''}`, previewUrl && `Preview: ${previewUrl}`]
    .filter((line) => line !== undefined)
    .join('\n')
}

await using branchline = await connect(
  QUEUE_TABLE
    ? {
        table: QUEUE_TABLE,
        prefix: QUEUE_PREFIX,
        clientId: needed('CLIENT_ID', CLIENT_ID),
        projectId: needed('PROJECT_ID', PROJECT_ID),
        userId: needed('USER_ID', USER_ID),
        onResult,
      }
    : { input: needed('QUEUE_TABLE or INPUT_QUEUE_URL', INPUT_QUEUE_URL), output: needed('OUTPUT_QUEUE_URL', OUTPUT_QUEUE_URL), onResult },
)

/** Sends what is in `new/`, oldest first; also what was sent before a restart: under the same id it is done once. */
async function look(): Promise<void> {
  const known = new Set([...sent.values()].map(({ name }) => name))
  for (const name of (await readdir(join(maildir, 'new'))).filter((each) => !each.startsWith('.') && !known.has(each)).toSorted()) {
    const mail = await readMail(maildir, name, MAIL_FROM).catch(report)
    if (mail === undefined || stop.signal.aborted) continue
    const { threadId, commandId, instruction, userEmail } = mail
    if (userEmail === undefined || sent.has(commandId)) await putAway(maildir, name) // nobody to answer, or a second copy
    else if (instruction === '') await putAnswer(maildir, outbox, mail, 'There is no text of your own in your mail. Please write what to do, as plain text.')
    else {
      sent.set(commandId, mail)
      await branchline.post({ threadId, commandId, instruction, userEmail }).catch((error: unknown) => {
        sent.delete(commandId)
        throw error // those behind it wait too, so that they do not overtake it
      })
      console.log(`${threadId} sent ${name}`)
    }
  }
}

const watcher = watch(join(maildir, 'new'), { signal: stop.signal }).on('error', report)
while (!stop.signal.aborted) {
  const changed = once(watcher, 'change', { signal: AbortSignal.any([stop.signal, AbortSignal.timeout(LOOK_MS)]) }).catch(() => {}) // stopped, or time for a look
  await look().catch(report)
  await changed
}
