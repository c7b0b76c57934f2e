import { mkdtemp, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { keyStore } from '../assemble-model.ts'
import { EnteredKey } from './entered-key.ts'
import type { Upstream } from './upstream.ts'

const KEY = 'sk-ant-CANARY-0123456789'
const idle = (): boolean => false
const simulation: Upstream = { kind: 'anthropic', url: 'http://127.0.0.1:1', credential: undefined }
let [folder, path] = ['', '']
let [used, secrets, asked]: [Upstream[], string[], Request[]] = [[], [], []]
const keyOf = (answer: () => Response = () => new Response('{}')) =>
  new EnteredKey({
    store: keyStore(path),
    url: 'https://model.example/',
    simulation,
    switchTo: (upstream) => used.push(upstream),
    keepSecret: (value) => secrets.push(value),
    ask: async (input, init) => {
      asked.push(new Request(input instanceof Request ? input : String(input), init))
      return answer()
    },
  })

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'branchline-key-'))
  path = join(folder, 'model.key')
  ;[used, secrets, asked] = [[], [], []]
})
afterEach(() => rm(folder, { recursive: true, force: true }))

describe('a key that is entered', () => {
  it('is tried, kept for its user alone, used, and there again at the next start', async () => {
    const key = keyOf()
    await key.start()
    expect(key.simulated).toBe(true)
    expect(await key.enter(KEY, idle)).toBeUndefined()
    expect([asked[0]?.url, asked[0]?.headers.get('x-api-key')]).toEqual(['https://model.example/v1/models?limit=1', KEY])
    expect(key.simulated).toBe(false)
    expect(await readFile(path, 'utf8')).toBe(KEY)
    expect((await stat(path)).mode & 0o777).toBe(0o600)
    const next = keyOf()
    await next.start()
    expect(next.simulated).toBe(false)
    expect(used.at(-1)).toMatchObject({ url: 'https://model.example/', credential: { value: KEY } })
    expect(secrets).toContain(KEY)
  })

  it.each([
    ['that is none', 'hello', () => new Response('{}')],
    ['with a line break, which would end a header', `${KEY}\nx: y`, () => new Response('{}')],
    ['that the model refuses', KEY, () => new Response('{}', { status: 401 })],
    [
      'that cannot be tried',
      KEY,
      () => {
        throw new Error('no network')
      },
    ],
  ])('%s is not kept, and a script goes on answering', async (_, value, answer) => {
    const key = keyOf(answer)
    expect(await key.enter(value, idle)).toMatch(/sk-ant|not accepted|cannot be reached/)
    expect([key.simulated, used]).toEqual([true, []])
    await expect(readFile(path)).rejects.toThrow('ENOENT')
  })

  it('is not taken where something has begun to run while it was tried', async () => {
    const key = keyOf()
    expect(await key.enter(KEY, () => true)).toContain('has begun to run')
    expect([key.simulated, used]).toEqual([true, []])
  })

  it('can be forgotten', async () => {
    const key = keyOf()
    await key.enter(KEY, idle)
    await key.forget()
    expect([key.simulated, used.at(-1)]).toEqual([true, simulation])
    await expect(readFile(path)).rejects.toThrow('ENOENT')
  })
})
