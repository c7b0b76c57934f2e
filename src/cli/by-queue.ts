import { connect, wakeService, type QueueClient } from '../client.ts'
import { readConfig } from '../config.ts'
import { Usage } from '../explain.ts'
import type { Given } from './options.ts'

const PROGRESS = { sent: 'sent', waking: 'the container does not run and is woken', running: 'the container runs' } as const

/** Who sends by the queues that the environment names, as it names them to the service. */
export async function queueClientFor(given: Given): Promise<QueueClient> {
  const { queues, AWS_REGION: region, QUEUE_PREFIX: prefix, CLIENT_ID, PROJECT_ID, USER_ID } = readConfig()
  if (queues === undefined) throw new Usage('--queue: set QUEUE_TABLE and CONTAINER_ID, or INPUT_QUEUE_URL and OUTPUT_QUEUE_URL, as for the service')
  const other = (
    [
      ['client', CLIENT_ID],
      ['project', PROJECT_ID],
      ['user', USER_ID],
    ] as const
  ).find(([name, served]) => served !== undefined && given[name] !== undefined && given[name] !== 'me' && given[name] !== served)
  if (other !== undefined) throw new Usage(`--${other[0]}: the environment names ${other[1]}`)
  const common = {
    region,
    wake: given.wake === undefined ? undefined : wakeService(serviceNamed(given.wake, region)),
    onProgress: (state: keyof typeof PROGRESS): void => void (given.json || process.stdout.write(`  … ${PROGRESS[state]}\n`)),
  }
  if (queues.kind === 'pair') return connect({ ...common, input: queues.input, output: queues.output })
  if (CLIENT_ID === undefined || PROJECT_ID === undefined || USER_ID === undefined) throw new Usage('--queue: CONTAINER_ID must name client, project and user')
  return connect({ ...common, table: queues.table, prefix, clientId: CLIENT_ID, projectId: PROJECT_ID, userId: USER_ID })
}

function serviceNamed(text: string, region: string | undefined) {
  const [cluster, service, ...more] = text.split('/')
  if (cluster === undefined || cluster === '' || service === undefined || service === '' || more.length > 0)
    throw new Usage('--wake: must be CLUSTER/SERVICE, the ECS service that runs the container')
  return { cluster, service, region }
}
