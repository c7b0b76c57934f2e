import { spawn, type ChildProcess } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ListQueuesCommand, SetQueueAttributesCommand } from '@aws-sdk/client-sqs'
import PostalMime, { type Email } from 'postal-mime'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { ThreadSummary } from '../../src/client.ts'
import { clientOf, type Client } from '../support/client.ts'
import { MARK } from '../support/global-setup.ts'
import { startQueueServer, type QueueServer } from '../support/queue-server.ts'
import { WORKER } from '../support/queue-talk.ts'
import { startService, temporaryFolder, type Service } from '../support/service.ts'
import { startTableServer, tableServerSupported, type TableServer } from '../support/table-server.ts'

const FRONT_END = fileURLToPath(new URL('../../examples/mail-front-end/front-end.ts', import.meta.url))
const CLIENT = new URL('../../src/client.ts', import.meta.url).href
/** The example is written for a folder of its own, in which the package is installed. */
const AS_INSTALLED = `data:text/javascript,import { registerHooks } from 'node:module'
registerHooks({ resolve: (name, context, next) => next(name === 'branchline/client' ? '${CLIENT}' : name, context) })`.replaceAll('\n', ';')
const WAIT = { timeout: 60_000, interval: 50 }

let queues: QueueServer = undefined!
beforeAll(async () => {
  queues = await startQueueServer()
})
afterAll(() => queues[Symbol.asyncDispose]())

for (const byTable of [false, true]) {
  const kind = byTable ? 'by queues of threads in a table (needs the table server, which this platform lacks)' : 'by one pair of queues'
  describe.skipIf(byTable && !tableServerSupported)(`mails ${kind}`, () => {
    let [service, client, folder, env]: [Service, Client, string, Record<string, string>] = [undefined!, undefined!, '', {}]
    let [tables, child, output]: [TableServer | undefined, ChildProcess | undefined, string] = [undefined, undefined, '']

    const start = (): void => {
      child = spawn(process.execPath, ['--import', AS_INSTALLED, FRONT_END], {
        env: { PATH: process.env['PATH'] ?? '', [MARK]: process.env[MARK] ?? '', MAILDIR: join(folder, 'inbox'), ...env },
        stdio: ['ignore', 'pipe', 'pipe'],
      })
      for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk: Buffer) => (output += chunk.toString('utf8')))
    }
    /** SIGKILL. What a poll that was broken off has taken soon comes again. */
    const kill = async (): Promise<void> => {
      const { QueueUrls = [] } = await queues.client.send(new ListQueuesCommand({}))
      for (const QueueUrl of QueueUrls) await queues.client.send(new SetQueueAttributesCommand({ QueueUrl, Attributes: { VisibilityTimeout: '1' } }))
      await end('SIGKILL')
    }
    const end = async (signal: NodeJS.Signals): Promise<number | null> => {
      if (child === undefined || child.exitCode !== null || child.signalCode !== null) return child?.exitCode ?? null
      const exited = once(child, 'exit')
      child.kill(signal)
      await exited
      return child.exitCode
    }
    /** Puts a mail into the mailbox as a mail server does; answers its Message-ID. */
    const deliver = async (subject: string, text: string, headers: readonly string[] = []): Promise<string> => {
      const [name, id] = [`${Date.now()}.${randomUUID()}.host`, `<${randomUUID()}@example.com>`]
      const head = ['From: Anna <anna@example.com>', 'To: Site <site@example.com>', `Subject: ${subject}`, `Message-ID: ${id}`, ...headers]
      await writeFile(join(folder, 'inbox/tmp', name), `${head.join('\n')}\n\n${text}`)
      await rename(join(folder, 'inbox/tmp', name), join(folder, 'inbox/new', name))
      return id
    }
    const answers = async (id: string): Promise<readonly Email[]> => {
      const names = await readdir(join(folder, 'outbox/new'))
      const mails = await Promise.all(names.map(async (name) => PostalMime.parse(await readFile(join(folder, 'outbox/new', name)))))
      return mails.filter(({ inReplyTo }) => inReplyTo === id)
    }
    const answer = async (id: string): Promise<Email> => {
      await expect.poll(() => answers(id), WAIT).toHaveLength(1)
      return (await answers(id))[0]!
    }
    const threadOf = ({ text = '' }: Email): string => /^Branch: thread-(\S+)/m.exec(text)?.[1] ?? ''
    const threads = async (state?: string): Promise<readonly ThreadSummary[]> => {
      const { body } = await client.call('GET', '/api/threads/acme/me')
      return body.threads.filter((thread: ThreadSummary) => state === undefined || thread.state === state)
    }
    /** The agent has begun. */
    const atWork = async (): Promise<void> => {
      await expect.poll(() => threads('running'), WAIT).toHaveLength(1)
      const [{ threadId } = { threadId: '' }] = await threads('running')
      await client.event(threadId, ({ type }) => type === 'tool.started')
    }
    const inbox = (place: 'new' | 'cur'): Promise<string[]> => readdir(join(folder, 'inbox', place))

    beforeAll(async () => {
      folder = await temporaryFolder()
      for (const place of ['new', 'cur', 'tmp']) await mkdir(join(folder, 'inbox', place), { recursive: true })
      if (byTable) {
        tables = await startTableServer()
        await tables.createQueueTable('queues')
        env = { ...queues.env, ...tables.env, QUEUE_TABLE: 'queues', CLIENT_ID: 'acme', PROJECT_ID: 'project', USER_ID: 'me' }
      } else {
        const { input, output: results } = await queues.createPair('mails', { fifo: true })
        env = { ...queues.env, INPUT_QUEUE_URL: input, OUTPUT_QUEUE_URL: results }
      }
      service = await startService({ env: { ...WORKER, ...env, ...(byTable && { CONTAINER_ID: 'acme-project-me' }) } })
      client = clientOf(service)
      start()
    })
    afterAll(async () => {
      await end('SIGTERM')
      await service[Symbol.asyncDispose]()
      await tables?.[Symbol.asyncDispose]()
      await rm(folder, { recursive: true, force: true })
    })

    it('a mail becomes a commit, and is answered by a mail to its sender', async () => {
      const id = await deliver('write hello.txt:', 'Hello\n> what was quoted\n-- \nAnna Example\n')
      const mail = await answer(id)
      expect(mail).toMatchObject({
        from: { address: 'site@example.com' },
        to: [{ address: 'anna@example.com' }],
        subject: 'Re: write hello.txt:',
        inReplyTo: id,
        references: id,
        text: expect.stringMatching(/^Wrote hello\.txt\r\n\r\nBranch: thread-mail-[a-z0-9-]+ \(simulated\)$/),
      })
      const branch = `thread-${threadOf(mail)}`
      expect(await client.git('show', `${branch}:hello.txt`)).toBe('Hello')
      expect(await client.git('log', '-1', '--format=%(trailers:key=Requested-By,valueonly,separator=)', branch)).toBe('anna@example.com')
      await expect.poll(() => inbox('new'), WAIT).toEqual([])
      expect(await inbox('cur')).toEqual([expect.stringMatching(/\.host:2,S$/)])
    })

    it('killed while a mail is in work and started again, it answers once, and the work is done once', async () => {
      const id = await deliver('wait 2 seconds then write killed.txt: once', '')
      await atWork()
      await kill()
      start()
      const mail = await answer(id)
      await expect.poll(() => inbox('new'), WAIT).toEqual([])
      await deliver('another one', 'hello').then(answer) // what came twice has come by then
      expect(await answers(id)).toHaveLength(1)
      expect(await client.git('rev-list', '--count', `thread-${threadOf(mail)}`, '^main')).toBe('1')
    })

    if (byTable) return // what is below is the same whichever queues there are

    it('a reply goes on in the same thread, whichever mails it names', async () => {
      const first = await deliver('a page', 'hello')
      const mail = await answer(first)
      const ours = mail.messageId
      const byReferences = await deliver('Re: a page', 'write one.txt: one', [`In-Reply-To: ${ours}`, `References: ${first} ${ours}`])
      expect(threadOf(await answer(byReferences))).toBe(threadOf(mail))
      const byOurs = await deliver('Re: a page', 'write two.txt: two', [`In-Reply-To: ${ours}`])
      expect(threadOf(await answer(byOurs))).toBe(threadOf(mail))
      expect((await answer(byReferences)).references).toBe(`${first} ${ours} ${byReferences}`)
    })

    it('a newer mail of the thread interrupts, and both are answered', async () => {
      const slow = await deliver('wait 60 seconds', '')
      await atWork()
      const newer = await deliver('Re: wait 60 seconds', 'write newer.txt: newer', [`In-Reply-To: ${slow}`])
      expect((await answer(newer)).text).toMatch(/^Wrote newer\.txt/)
      expect((await answer(slow)).text).toMatch(/interrupted/i)
    })

    it('killed when an answer was written and its mail not put away, it writes the same answer again', async () => {
      const id = await deliver('write again.txt: again', '')
      const before = await answer(id)
      await expect.poll(() => inbox('new'), WAIT).toEqual([])
      await kill()
      const name = (await inbox('cur')).toSorted().at(-1) ?? ''
      await rename(join(folder, 'inbox/cur', name), join(folder, 'inbox/new', name.replace(':2,S', '')))
      start()
      await expect.poll(() => inbox('new'), WAIT).toEqual([])
      expect(await answers(id)).toMatchObject([{ messageId: before.messageId, text: before.text }])
    })

    it('a subject cannot bring headers of its own, and other alphabets stay what they are', async () => {
      const mail = await answer(await deliver('=?utf-8?q?Gr=C3=BC=C3=9Fe=0D=0ABcc:_eve@example.com=0D=0A=0D=0Atext?=', 'hello'))
      expect(mail).toMatchObject({ subject: 'Re: Grüße Bcc: eve@example.com text', to: [{ address: 'anna@example.com' }] })
      expect(mail.bcc).toBeUndefined()
    })

    it('a mail without text of its own is answered, an automatic one is not, and neither becomes a message', async () => {
      const before = (await threads()).length
      const silent = await deliver('an answer', 'hello', ['Auto-Submitted: auto-replied'])
      const html = await deliver('a page', '<p>Make it blue</p>', ['Content-Type: text/html'])
      expect((await answer(html)).text).toMatch(/no text of your own/)
      await expect.poll(() => inbox('new'), WAIT).toEqual([])
      expect(await answers(silent)).toEqual([])
      expect(await threads()).toHaveLength(before)
    })

    it('told to stop, it ends', async () => {
      expect(await end('SIGTERM')).toBe(0)
    })
  })
}
