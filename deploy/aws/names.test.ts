import { expect, it } from 'vitest'
import { ClientId, ProjectId, UserId } from '../../src/command/ids.ts'
import { directoryOf, prioritiesOf, queueNamesOf, slugOf, type Who } from './names.ts'

const who = (clientId: string, projectId: string, userId: string): Who => ({
  clientId: ClientId.parse(clientId),
  projectId: ProjectId.parse(projectId),
  userId: UserId.parse(userId),
})
const LONG = 'x'.repeat(128)

/** Such as would easily be taken for one another. */
const LOOK_ALIKES: readonly Who[] = [
  who('acme', 'site', 'anna'),
  who('acme', 'site', 'Anna'),
  who('ACME', 'site', 'anna'),
  who('acme', 'site', 'anna-'),
  who('acme', 'site', 'anna.b'),
  who('acme', 'site', 'anna_b'),
  who('acme', 'site', 'anna@b'),
  who('acme', 'site', 'kim@example.com'),
  who(LONG, LONG, LONG),
  who(LONG, LONG, `${LONG.slice(1)}y`),
  who(`${LONG.slice(1)}y`, LONG, LONG),
  who('a'.repeat(28), 'b', 'c'),
  who('a'.repeat(29), 'b', 'c'),
  who('1', '2', '3'),
]
/** Those of one container id, of which an installation takes one. */
const SAME_CONTAINER: readonly Who[] = [who('a-b', 'c', 'd'), who('a', 'b-c', 'd'), who('a', 'b', 'c-d')]
const ALL = [...LOOK_ALIKES, ...SAME_CONTAINER]

it('plain ids make plain names', () => {
  expect(slugOf(who('acme', 'site', 'anna'))).toBe('acme-site-anna')
  expect(directoryOf(who('acme', 'site', 'anna'))).toBe('/acme/anna/site')
  expect(queueNamesOf('branchline', who('acme', 'site', 'anna'))).toEqual({
    input: 'branchline-input-acme-site-anna.fifo',
    output: 'branchline-output-acme-site-anna.fifo',
    dead: 'branchline-dead-acme-site-anna.fifo',
  })
})

it('no two have one slug or one folder, and each is such as AWS takes', () => {
  expect(new Set(ALL.map(slugOf)).size).toBe(ALL.length)
  expect(new Set(ALL.map(directoryOf)).size).toBe(ALL.length)
  for (const each of ALL) {
    expect(slugOf(each)).toMatch(/^[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?$/) // a label of a host name
    expect(directoryOf(each)).toMatch(/^(?:\/[A-Za-z0-9][A-Za-z0-9._-]*){3}$/)
    expect(directoryOf(each).length).toBeLessThanOrEqual(100)
  }
})

it('no two of an installation have one queue, and names fit SQS with the longest prefix', () => {
  const names = LOOK_ALIKES.flatMap((each) => Object.values(queueNamesOf('p'.repeat(16), each)))
  expect(new Set(names).size).toBe(names.length)
  for (const name of names) expect(name).toMatch(/^[A-Za-z0-9_-]{1,75}\.fifo$/)
})

it('a user who leaves moves the rules of no other, and each has two of its own', () => {
  const slugs = Array.from({ length: 500 }, (_, at) => slugOf(who('acme', 'site', `user${at}`)))
  const all = prioritiesOf(slugs)
  const used = slugs.flatMap((slug) => [all.get(slug) ?? 0, (all.get(slug) ?? 0) + 1])
  expect(new Set(used).size).toBe(1000)
  expect(Math.min(...used)).toBeGreaterThanOrEqual(1)
  expect(Math.max(...used)).toBeLessThanOrEqual(50_000)
  const left = prioritiesOf(slugs.slice(0, -1))
  for (const [slug, priority] of left) expect(all.get(slug)).toBe(priority)
})
