import { expect, it } from 'vitest'
import { touchedPages } from './page-check.ts'

it('asks for the first page, pages whose files have changed, and pages that somebody looks at', () => {
  expect(touchedPages(['src/pages/about.astro', 'src/pages/blog/index.md', 'src/styles/site.css'], ['/breads'])).toEqual(['/', '/about', '/blog', '/breads'])
})

it('leaves out what has no address of its own, and asks for no page twice', () => {
  expect(touchedPages(['src/pages/[slug].astro', 'src/pages/_part.astro', 'src/pages/index.astro', 'src/pages/feed.xml.ts'], ['/'])).toEqual(['/'])
})
