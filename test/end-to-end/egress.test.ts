import { once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { clientOf, type Client } from '../support/client.ts'
import { startService, type Service } from '../support/service.ts'

describe('agents with EGRESS_ALLOW', () => {
  /** Stands for all the world: the proxy of this machine, which answers for every host itself. */
  const asked: string[] = []
  const world = createServer((message, response) => {
    asked.push(message.url ?? '')
    response.end('the allowed host')
  }).on('connect', (message: IncomingMessage, socket: Socket) => {
    asked.push(message.url ?? '')
    socket.on('error', () => {}).end('HTTP/1.1 200 OK\r\n\r\n')
  })
  let [service, client]: [Service, Client] = [undefined!, undefined!]

  beforeAll(async () => {
    world.listen(0, '127.0.0.1')
    await once(world, 'listening')
    const url = `http://user:CANARY-proxy-word@127.0.0.1:${(world.address() as AddressInfo).port}`
    service = await startService({ env: { EGRESS_ALLOW: 'allowed.example.com,*.below.example.com', HTTP_PROXY: url, HTTPS_PROXY: url, NO_PROXY: '' } })
    client = clientOf(service)
  })
  afterAll(async () => {
    await service[Symbol.asyncDispose]()
    world.close()
  })

  const curl = async (args: string): Promise<string> =>
    (await client.run('caller', `run curl -s -w "<%{http_code} %{http_connect}>" ${args}; true`)).summary ?? ''

  it('reach a host of the list, and hosts below one', async () => {
    expect(await curl('http://allowed.example.com/a')).toContain('the allowed host<200')
    expect(await curl('http://a.below.example.com/b')).toContain('the allowed host<200')
    await curl('https://allowed.example.com/c')
    expect(asked).toEqual(['http://allowed.example.com/a', 'http://a.below.example.com/b', 'allowed.example.com:443'])
  })

  it('are refused any other, and told which it is', async () => {
    const before = asked.length
    expect(await curl('http://evil.example.org/')).toMatch(/evil\.example\.org is not in EGRESS_ALLOW[^]*<403/)
    expect(await curl('https://evil.example.org/')).toContain('<000 403>')
    expect(await curl('http://169.254.169.254/latest/meta-data/')).toContain('<403')
    expect(asked).toHaveLength(before)
    expect(service.output()).toContain('"event":"egress.refused"')
    expect(service.output()).toContain('evil.example.org')
  })

  it('see nothing of the proxy of the machine, and builds are led the same way', async () => {
    const { summary } = await client.run('caller', 'run env | grep -i _proxy | sort; env | grep -c CANARY; true')
    expect(summary).toMatch(/HTTPS_PROXY=http:\/\/127\.0\.0\.1:\d+\n/)
    expect(summary).toMatch(/\n0$/)
    const build = `require("http").get(process.env.HTTP_PROXY, { path: "http://built.example.org/" }, (answer) => process.exit(answer.statusCode === 403 ? 0 : 1))`
    await client.run('builder', `write build.cjs: ${build}`)
    await client.run('builder', 'write package.json: {"scripts":{"build":"node build.cjs"}}')
    expect(await client.run('builder', '', { type: 'build' })).toMatchObject({ success: true })
  })
})

it('an empty EGRESS_ALLOW leaves the package registry, and nothing else', async () => {
  await using service = await startService({ example: true, env: { EGRESS_ALLOW: '' } })
  const client = clientOf(service)
  expect(await client.run('maker', '', { type: 'build' })).toMatchObject({ success: true })
  expect((await client.run('maker', 'run curl -s -o /dev/null -w "<%{http_connect}>" https://example.com/; true')).summary).toContain('<403>')
})
