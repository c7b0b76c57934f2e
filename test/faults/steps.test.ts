import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { clientOf, type Client } from '../support/client.ts'
import { startModel, type Model } from '../support/model.ts'
import { startService, type Service } from '../support/service.ts'

let [model, service, client]: [Model, Service, Client] = [undefined!, undefined!, undefined!]

beforeAll(async () => {
  model = await startModel()
  service = await startService({ env: { ANTHROPIC_BASE_URL: model.url, ANTHROPIC_API_KEY: 'CANARY-model-key-7f3a' } })
  client = clientOf(service)
})
afterAll(async () => {
  await service[Symbol.asyncDispose]()
  await model[Symbol.asyncDispose]()
})

interface Step {
  readonly commit: string
  readonly subject: string
  readonly commandId: string
}
const stepsOf = async (thread: string): Promise<readonly Step[]> => (await client.call('GET', client.thread(thread, 'checkpoints'))).body.steps
const restore = async (thread: string, checkpoint: string) => (await client.call('POST', client.thread(thread, 'restore'), { checkpoint })).body.result

it('what an agent deletes itself can be had back from the step before, though the run ends as one commit', async () => {
  await client.run('lost', 'write draft.txt: the only draft then run rm -rf draft.txt src then write after.txt: later', { commandId: 'loses' })
  expect(await client.git('log', '--format=%s', 'thread-lost')).toBe('Wrote draft.txt, Ran rm -rf draft.txt src, Wrote after.txt\nBegin')
  const steps = await stepsOf('lost')
  expect(steps.map((step) => [step.subject, step.commandId])).toEqual([
    [expect.stringMatching(/^After Write: .*draft\.txt$/), 'loses'],
    ['After Bash: rm -rf draft.txt src', 'loses'],
    [expect.stringMatching(/^After Write: .*after\.txt$/), 'loses'],
  ])
  const back = await restore('lost', steps[0]?.commit ?? '')
  expect(back).toMatchObject({ success: true, filesChanged: ['after.txt', 'draft.txt', 'src/pages/index.astro'] })
  expect(await client.git('show', 'thread-lost:draft.txt')).toBe('the only draft')
  expect(await client.git('ls-tree', '-r', '--name-only', 'thread-lost')).toBe('README.md\ndraft.txt\nsrc/pages/index.astro')
})

it('a hard reset and a clean of its own git lose the agent nothing', async () => {
  await client.run('reset', 'write a.txt: precious then run printf "x\\n" > b.sh; chmod +x b.sh; ln -s a.txt c then run git reset -q --hard; git clean -fdq')
  const steps = await stepsOf('reset')
  expect(steps).toHaveLength(3)
  const { commit } = await restore('reset', steps[1]?.commit ?? '')
  expect(await client.git('ls-tree', '-r', commit, 'a.txt', 'b.sh', 'c')).toMatch(/^100644 .*a\.txt\n100755 .*b\.sh\n120000 .*c$/)
})

it('a file that is put back as it was is so in its step', async () => {
  await client.run('revert', 'replace Fresh with Warm in src/pages/index.astro then replace Warm with Fresh in src/pages/index.astro then write x.txt: x')
  const steps = await stepsOf('revert')
  expect(steps).toHaveLength(3)
  const page = (commit: string | undefined) => client.git('show', `${commit}:src/pages/index.astro`)
  expect(await Promise.all(steps.map((step) => page(step.commit)))).toEqual(['<h1>Warm bread</h1>', '<h1>Fresh bread</h1>', '<h1>Fresh bread</h1>'])
})

it('steps are reachable after kill -9 in the middle of a run', async () => {
  const hold = model.hold('then write never.txt')
  const id = await client.post('cut', 'write kept.txt: kept then run rm kept.txt then write never.txt: never')
  await hold.reached
  hold.release()
  await client.event('cut', (event) => event.type === 'tool.ended' && event.commandId === id)
  await service.kill()
  await service.restart()
  await client.result(id)
  const [first] = await stepsOf('cut')
  expect(await client.git('show', `${first?.commit}:kept.txt`)).toBe('kept')
})

it('nothing outside of the work tree gets into a step, through whatever link', async () => {
  const secret = join(service.workspace, '..', 'outside.txt')
  await writeFile(secret, 'CANARY-outside-of-everything', { mode: 0o600 })
  await client.run('links', `run mkdir d; echo in > d/outside.txt; ln -s ${secret} direct then run rm -r d; ln -s ${join(secret, '..')} d`)
  const objects = await client.git('cat-file', '--batch-all-objects', '--batch')
  expect(objects).not.toContain('CANARY-outside-of-everything')
  expect((await stepsOf('links')).length).toBeGreaterThan(0)
})

it('names that are odd are kept as they are', async () => {
  await client.run('odd', `run printf x > 'a"b\\c'; printf y > "$(printf 'new\\nline')"; printf z > "$(printf 'caf\\351')" then run rm -f a* new* caf*`)
  const [first] = await stepsOf('odd')
  const listed = await client.git('ls-tree', '-r', '--name-only', first?.commit ?? '')
  expect(listed.split('\n')).toEqual(expect.arrayContaining(['"a\\"b\\\\c"', '"new\\nline"', '"caf\\351"']))
})
