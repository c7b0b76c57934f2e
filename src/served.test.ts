import { expect, it } from 'vitest'
import { readConfig } from './config.ts'

const BASE = { PORT: '0', AWS_REGION: 'us-east-1' }
const problemsOf = (more: Record<string, string>): readonly string[] => {
  try {
    readConfig({ ...BASE, ...more })
    return []
  } catch (error) {
    return (error as { problems: readonly string[] }).problems
  }
}

it('CONTAINER_ID says whom the service serves', () => {
  expect(readConfig({ ...BASE, CONTAINER_ID: 'acme-site-anna' })).toMatchObject({ CLIENT_ID: 'acme', PROJECT_ID: 'site', USER_ID: 'anna' })
  expect(readConfig({ ...BASE, CONTAINER_ID: 'acme-corp-site-anna', PROJECT_ID: 'site' })).toMatchObject({ CLIENT_ID: 'acme-corp', USER_ID: 'anna' })
})

it.each([
  [{ CONTAINER_ID: 'acme-corp-site-anna' }, 'CONTAINER_ID: its dashes can be read in 3 ways; set CLIENT_ID, PROJECT_ID and USER_ID too'],
  [{ CONTAINER_ID: 'acme-site-anna', USER_ID: 'otto' }, 'CONTAINER_ID: must be {client}-{project}-{user}, and agree with'],
  [{ CONTAINER_ID: 'nodashes' }, 'CONTAINER_ID: must be {client}-{project}-{user}'],
  [{ QUEUE_TABLE: 'queues' }, 'CONTAINER_ID: is needed, because QUEUE_TABLE is set'],
  [{ JOURNAL_TABLE: 'journal' }, 'CONTAINER_ID: is needed, because JOURNAL_TABLE is set'],
  [{ INPUT_QUEUE_URL: 'https://sqs.us-east-1.amazonaws.com/1/in' }, 'OUTPUT_QUEUE_URL: is needed, because INPUT_QUEUE_URL is set'],
  [{ INPUT_QUEUE_URL: 'not a url', OUTPUT_QUEUE_URL: 'https://x.example/1/out' }, 'INPUT_QUEUE_URL: must be the URL of an SQS queue'],
  [{ PORT: 'off' }, 'PORT: is off, so INPUT_QUEUE_URL and OUTPUT_QUEUE_URL, or QUEUE_TABLE, must be set'],
  [{ QUEUE_TABLE: 'queues', CONTAINER_ID: 'a-b-c', AWS_REGION: '' }, 'AWS_REGION: a queue is set, so the region must be too'],
])('%j is refused, with what would be right', (more, problem) => expect(problemsOf(more as Record<string, string>).join('\n')).toContain(problem))
