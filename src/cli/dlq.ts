import { SQSClient } from '@aws-sdk/client-sqs'
import { readConfig } from '../config.ts'
import { Usage } from '../explain.ts'
import { printable } from '../observe/text.ts'
import { forCalls } from '../queues/aws.ts'
import { openLetters, redriveTarget, sendAgain } from '../queues/dead-letter-queue.ts'
import type { Given } from './options.ts'
import { clientFor } from './send.ts'

/** One dead letter, wherever it lies. */
interface Letter {
  readonly id: string
  readonly at?: string | undefined
  readonly reason?: string | undefined
  readonly threadId?: string | undefined
  readonly commandId?: string | undefined
  readonly body: string
}

/** Where dead letters are: a queue, or the journal of a service. */
interface Place extends AsyncDisposable {
  readonly letters: readonly Letter[]
  /** Answers the id under which it goes on, where that is known. */
  readonly retry: (letter: Letter) => Promise<string | undefined>
}

/** Shows and hands in again what could not be taken or carried out. */
export async function dlq([verb, ...ids]: readonly string[], given: Given): Promise<number> {
  if (verb !== 'list' && verb !== 'show' && verb !== 'retry') throw new Usage('dlq: say what to do: dlq list, dlq show ID, or dlq retry ID…')
  if (verb !== 'list' && ids.length === 0) throw new Usage(`dlq ${verb}: say which, by what dlq list shows first`)
  await using place = await placeOf(given)
  if (verb === 'list') return list(place.letters, given)
  const chosen = ids.map((id) => letterCalled(id, place.letters))
  for (const letter of chosen) {
    if (verb === 'show') print(given, letter, `${head(letter)}\n${printable(letter.body, 100_000)}\n`)
    else {
      const commandId = await place.retry(letter)
      print(given, { id: letter.id, commandId }, `${letter.id} is sent again${commandId === undefined ? '' : ` as ${commandId}`}\n`)
    }
  }
  return 0
}

/** The queue of DLQ_URL or of the redrive policy of INPUT_QUEUE_URL; else the journal of the service, unless another one is named. */
async function placeOf(given: Given): Promise<Place> {
  const { DLQ_URL, INPUT_QUEUE_URL, AWS_REGION } = readConfig()
  if (given.url === undefined && (DLQ_URL ?? INPUT_QUEUE_URL) !== undefined) {
    const client = new SQSClient(forCalls(AWS_REGION))
    const queue = DLQ_URL ?? (INPUT_QUEUE_URL === undefined ? undefined : await redriveTarget(client, INPUT_QUEUE_URL))
    if (queue !== undefined) {
      const opened = await openLetters(client, queue)
      return {
        letters: opened.letters,
        retry: async ({ id }) => {
          const letter = opened.letters.find((each) => each.id === id)
          const to = letter?.source ?? INPUT_QUEUE_URL
          if (to !== undefined && accountOf(to) !== accountOf(queue))
            throw new Usage(`dlq retry: ${id} says that it came from ${to}, which is of another account`)
          if (letter === undefined || to === undefined) throw new Usage(`dlq retry: ${id} does not say which queue it came from; set INPUT_QUEUE_URL`)
          return sendAgain(client, queue, to, letter)
        },
        [Symbol.asyncDispose]: async () => {
          await opened[Symbol.asyncDispose]()
          client.destroy()
        },
      }
    }
  }
  const client = clientFor(given)
  const letters = (await client.deadLetters()).map(({ n, ...letter }) => ({ ...letter, id: String(n) }))
  return { letters, retry: async ({ id }) => client.retryDeadLetter(Number(id)), [Symbol.asyncDispose]: async () => {} }
}

const accountOf = (queueUrl: string): string | undefined => URL.parse(queueUrl)?.pathname.split('/')[1]

/** Ids of SQS are long; any part from their beginning will do that only one of them has. */
function letterCalled(id: string, letters: readonly Letter[]): Letter {
  const exact = letters.find((letter) => letter.id === id)
  const [found, another] = exact === undefined ? letters.filter((letter) => letter.id.startsWith(id)) : [exact]
  if (found === undefined) throw new Usage(`dlq: there is no dead letter ${id}`)
  if (another !== undefined) throw new Usage(`dlq: several dead letters begin with ${id}; give more of it`)
  return found
}

function list(letters: readonly Letter[], given: Given): number {
  const lines = letters.map((letter) => `${head(letter)}\n`)
  print(given, letters, letters.length === 0 ? 'There are no dead letters.\n' : lines.join(''))
  return 0
}

const head = ({ id, at, threadId, commandId, reason }: Letter): string =>
  printable([id.slice(0, 8), at?.slice(0, 19) ?? '', threadId ?? '-', commandId ?? '-', reason ?? 'received too often'].join('  '), 400)

function print({ json }: Given, what: unknown, text: string): void {
  process.stdout.write(json ? `${JSON.stringify(what)}\n` : text)
}
