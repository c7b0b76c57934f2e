import { once } from 'node:events'
import { createServer } from 'node:http'
import { afterEach, expect, it, vi } from 'vitest'
import { wakeService } from './wake.ts'

afterEach(() => vi.unstubAllEnvs())

it('a container is woken by asking ECS for one task of its service', async () => {
  const asked: object[] = []
  const ecs = createServer((request, answer) => {
    void request
      .setEncoding('utf8')
      .toArray()
      .then((chunks) => {
        asked.push({
          target: request.headers['x-amz-target'],
          signed: request.headers.authorization?.startsWith('AWS4-HMAC-SHA256 '),
          body: JSON.parse(chunks.join('')),
        })
        answer.writeHead(200, { 'content-type': 'application/x-amz-json-1.1' }).end('{"service":{"desiredCount":1}}')
      })
  })
  ecs.listen(0, '127.0.0.1')
  await once(ecs, 'listening')
  const address = ecs.address()
  vi.stubEnv('AWS_ENDPOINT_URL_ECS', `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`)
  vi.stubEnv('AWS_ACCESS_KEY_ID', 'x')
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'y')
  await wakeService({ cluster: 'sites', service: 'acme-site-anna', region: 'us-east-1' })()
  expect(asked).toEqual([
    { target: 'AmazonEC2ContainerServiceV20141113.UpdateService', signed: true, body: { cluster: 'sites', service: 'acme-site-anna', desiredCount: 1 } },
  ])
  ecs.closeAllConnections()
  ecs.close()
})
