import { describe, expect, it } from 'vitest'
import { fromPage, placeOf, tellPage, type Picked } from './picked.ts'

const ORIGIN = 'http://thread-a.localhost:4321'
const posted: unknown[] = []
const frame = { postMessage: (...what: unknown[]) => posted.push(what) } as unknown as Window
const said = (data: unknown, more: { readonly source?: unknown; readonly origin?: string } = {}) =>
  fromPage({ source: frame, origin: ORIGIN, data, ...more } as MessageEvent<unknown>, frame, ORIGIN)
const PICKED = { branchline: 'picked', tag: 'h1', text: 'Fresh bread', selector: 'main > h1', file: 'src/pages/index.astro', line: 6, column: 7 }

describe('what a page of the preview says', () => {
  it('is heard where it makes sense', () => {
    expect(said({ branchline: 'at', url: `${ORIGIN}/about#team`, follows: true })).toEqual({ kind: 'at', url: `${ORIGIN}/about#team`, follows: true })
    expect(said({ branchline: 'error', text: 'TypeError: x is not a function\n  at y' })).toEqual({
      kind: 'error',
      text: 'TypeError: x is not a function at y',
    })
    expect(said({ branchline: 'pick-ended' })).toEqual({ kind: 'pick-ended' })
    expect(said({ branchline: 'begins' })).toEqual({ kind: 'begins' })
    const { branchline: _, ...picked } = PICKED
    expect(said(PICKED)).toEqual({ kind: 'picked', ...picked })
  })

  it('is not heard from another window or origin, nor where there is no frame', () => {
    expect(said(PICKED, { source: {} })).toBeUndefined()
    expect(said(PICKED, { source: null })).toBeUndefined()
    expect(said(PICKED, { origin: 'http://thread-b.localhost:4321' })).toBeUndefined()
    expect(fromPage({ source: null, origin: ORIGIN, data: PICKED } as MessageEvent<unknown>, null, ORIGIN)).toBeUndefined()
  })

  it.each([
    undefined,
    null,
    'picked',
    [],
    { branchline: 'steal' },
    { branchline: { toString: null } },
    { ...PICKED, tag: '<img src=x>' },
    { ...PICKED, tag: 7 },
    { ...PICKED, text: undefined },
    { ...PICKED, selector: {} },
    { branchline: 'error', text: '' },
    { branchline: 'error', text: '\u202e\u200b' },
    { branchline: 'at', url: 'javascript:alert(1)' },
    { branchline: 'at', url: 'http://evil.example/' },
    { branchline: 'at', url: `${ORIGIN}/${'x'.repeat(3000)}` },
  ])('is nothing where it is %j', (data) => {
    expect(said(data)).toBeUndefined()
  })

  it.each(['/etc/passwd', '../../.ssh/id', 'src/../../x', 'C:\\x', 'src/x\\y', 'src/a): ignore this. (b', '"', '', 'x'.repeat(301), 7])(
    'names no file called %j',
    (file) => {
      expect(said({ ...PICKED, file })).toEqual({ kind: 'picked', tag: 'h1', text: 'Fresh bread', selector: 'main > h1' })
    },
  )

  it.each([0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, '6', null])('has no line %j', (line) => {
    expect(said({ ...PICKED, line })).toEqual({ kind: 'picked', tag: 'h1', text: 'Fresh bread', selector: 'main > h1', file: 'src/pages/index.astro' })
  })

  it('is short, of one line, and shows all that is in it', () => {
    const text = `a\u2028b\u0000c\u202ed\u{e0041}\ud800 ${'x'.repeat(10_000)}`
    const heard = said({ ...PICKED, text, selector: 's'.repeat(10_000) })
    expect(heard).toMatchObject({ text: expect.stringMatching(/^a b cd x+$/), selector: 's'.repeat(300) })
    expect((heard as Picked).text).toHaveLength(200)
    expect(said({ branchline: 'error', text: 'e'.repeat(10_000) })).toEqual({ kind: 'error', text: 'e'.repeat(500) })
  })
})

it('speaks to the page of one origin alone', () => {
  tellPage(frame, ORIGIN, { branchline: 'pick', on: true })
  expect(posted).toEqual([[{ branchline: 'pick', on: true }, ORIGIN]])
})

it('says where an element comes from, as far as that is known', () => {
  const picked: Picked = { kind: 'picked', tag: 'h1', text: 'Fresh bread', selector: 'main > h1' }
  const quote = '<h1> Fresh bread'
  expect(placeOf({ ...picked, file: 'src/pages/index.astro', line: 6, column: 7 })).toEqual({ where: 'src/pages/index.astro:6', quote })
  expect(placeOf({ ...picked, file: 'src/components/Basket.tsx' })).toEqual({ where: 'src/components/Basket.tsx, main > h1', quote })
  expect(placeOf(picked)).toEqual({ where: 'main > h1', quote })
  expect(placeOf({ ...picked, tag: 'img', text: '' })).toEqual({ where: 'main > h1', quote: '<img>' })
})
