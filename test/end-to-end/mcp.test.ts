import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startModel, type Model } from '../support/model.ts'
import { startService, temporaryFolder, type Service } from '../support/service.ts'

const TOKENS = { work: 'CANARY-work-token-8a1b', view: 'CANARY-view-token-3c5d' }
let [model, service, folder]: [Model, Service, string] = [undefined!, undefined!, '']
beforeAll(async () => {
  model = await startModel()
  folder = await temporaryFolder()
  const file = join(folder, 'tokens.json')
  await writeFile(file, JSON.stringify([{ name: 'a viewer', token: TOKENS.view, role: 'view' }]))
  service = await startService({
    env: { API_TOKENS_FILE: file, ANTHROPIC_BASE_URL: model.url, ANTHROPIC_API_KEY: 'CANARY-model-key-7f3a', API_TOKEN: TOKENS.work },
  })
})
afterAll(async () => {
  await service[Symbol.asyncDispose]()
  await model[Symbol.asyncDispose]()
  await rm(folder, { recursive: true, force: true })
})

async function connected(token: string = TOKENS.work): Promise<Client> {
  const client = new Client({ name: 'a test', version: '1' }, { versionNegotiation: { mode: 'auto' } })
  await client.connect(new StreamableHTTPClientTransport(new URL(`${service.url}/mcp`), { requestInit: { headers: { authorization: `Bearer ${token}` } } }))
  return client
}
const THREAD = { clientId: 'acme', userId: 'me', threadId: 'by-mcp' }

describe('another agent, by its own client', () => {
  it('is told what there is, and how to use it', async () => {
    const client = await connected()
    expect(client.getInstructions()).toContain('wait_for_result')
    const { tools } = await client.listTools()
    expect(tools.map(({ name }) => name).toSorted()).toEqual(
      expect.arrayContaining(['execute', 'wait_for_result', 'get_status', 'get_diff', 'undo', 'push', 'interrupt', 'list_threads', 'open_pull_request']),
    )
    expect(tools.find(({ name }) => name === 'execute')?.inputSchema).toMatchObject({ properties: { instruction: { type: 'string' } } })
    expect(tools.find(({ name }) => name === 'get_diff')?.annotations).toMatchObject({ readOnlyHint: true })
    expect(JSON.stringify(tools)).not.toMatch(/"wait":|set_config|process_issue/)
    await client.close()
  })

  it('has a change made, looks at it and takes it back', async () => {
    const client = await connected()
    const call = async (name: string, args: Record<string, unknown>) => client.callTool({ name, arguments: args })
    const handedIn = await call('execute', { ...THREAD, instruction: 'write hello.txt: Hello' })
    expect(handedIn.structuredContent).toMatchObject({ success: true, commandId: expect.any(String) })
    const { commandId } = handedIn.structuredContent as { commandId: string }
    const done = await call('wait_for_result', { commandId, clientId: THREAD.clientId, userId: THREAD.userId })
    expect(done.structuredContent).toMatchObject({ state: 'completed', result: { success: true, filesChanged: ['hello.txt'] } })
    expect(JSON.stringify((await call('get_diff', THREAD)).structuredContent)).toContain('hello.txt')
    expect(await call('get_files', { ...THREAD, path: 'hello.txt' })).toMatchObject({ isError: false, content: [{ type: 'text', text: 'Hello' }] })
    const undone = await call('undo', THREAD)
    const taken = await call('wait_for_result', { commandId: (undone.structuredContent as { commandId: string }).commandId })
    expect(taken.structuredContent).toMatchObject({ result: { success: true } })
    expect(JSON.stringify((await call('get_status', THREAD)).structuredContent)).toContain('"changedFiles":[]')
    await client.close()
  })

  it('is answered in words where something is wrong, and nothing is recorded', async () => {
    const client = await connected()
    const wrong = await client.callTool({ name: 'execute', arguments: { ...THREAD, threadId: '../etc', instruction: 'x' } })
    expect([wrong.isError, JSON.stringify(wrong.content)]).toEqual([true, expect.stringContaining('threadId')])
    const unknown = await client.callTool({ name: 'get_diff', arguments: { ...THREAD, threadId: 'nobody' } })
    expect([unknown.isError, JSON.stringify(unknown.content)]).toEqual([true, expect.stringContaining('there is no thread nobody')])
    await client.close()
  })

  it('may do what its token may do, and no more', async () => {
    const client = await connected(TOKENS.view)
    const refused = await client.callTool({ name: 'execute', arguments: { ...THREAD, threadId: 'not-by-a-viewer', instruction: 'write a.txt: a' } })
    expect([refused.isError, JSON.stringify(refused.content)]).toEqual([true, expect.stringContaining('This token may view')])
    const { structuredContent } = await client.callTool({ name: 'list_threads', arguments: { clientId: THREAD.clientId, userId: THREAD.userId } })
    expect(JSON.stringify(structuredContent)).not.toContain('not-by-a-viewer')
    await client.close()
  })

  it('without a token, or from a web page, is not let in', async () => {
    await expect(connected('wrong')).rejects.toThrow(/401/)
    const page = await fetch(`${service.url}/mcp`, {
      method: 'POST',
      headers: { authorization: `Bearer ${TOKENS.work}`, origin: 'http://thread-x.localhost:4321', 'content-type': 'application/json' },
      body: '{}',
    })
    expect(page.status).toBe(403)
  })
})
