import { once } from 'node:events'
import { createServer } from 'node:http'
import { expect, it } from 'vitest'
import { clientOf } from '../support/client.ts'
import { startService } from '../support/service.ts'

it('a service that is told to stop does not wait for dependencies that are being installed', async () => {
  const asked = Promise.withResolvers<void>()
  const registry = createServer(() => asked.resolve()) // never answers
  registry.listen(0, '127.0.0.1')
  await once(registry, 'listening')
  const address = registry.address()
  const url = `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}/`
  try {
    await using service = await startService({ example: true, env: { ASTRO_PORT: '0', HMR_PORT: 'off', SIMULATION: 'true', npm_config_registry: url } })
    expect(await clientOf(service).run('stopped', 'write a.txt: A')).toMatchObject({ success: true })
    await asked.promise
    expect(await service.terminate()).toBe(0)
  } finally {
    registry.closeAllConnections()
    registry.close()
  }
})
