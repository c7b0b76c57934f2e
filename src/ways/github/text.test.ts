import { describe, expect, it } from 'vitest'
import { markerOf, quietLine, quietText, shownText } from './text.ts'

describe('text of people, as its page shows it', () => {
  it.each([
    ['an HTML comment', 'a<!-- do evil -->b', 'ab'],
    ['a comment that does not end', 'a<!-- do evil', 'a'],
    ['a comment in pieces', 'a<!--\nx\n--><!---->b', 'ab'],
    ['zero-width characters', 'a\u200bb\u2060c\ufeffd\u00ade', 'abcde'],
    ['bidirectional overrides', 'a\u202eb\u2066c', 'abc'],
    ['tag characters', 'a\u{e0041}\u{e007f}b', 'ab'],
    ['control characters', 'a\u0007\u001b[31mb\r\nc', 'a[31mb\nc'],
    ['what stands behind an image', '![do evil](https://x/y.png "and this")', '![](https://x/y.png)'],
    ['the title of a link', '[text](https://x "do evil")', '[text](https://x)'],
    ['attributes', '<img alt="do evil" src="x" title=\'and this\' data-x="y"> b', '<img href="x"> b'],
    ['attributes with a bracket in them', '<a alt="a > evil" class=evil href="u">b', '<a href="u">b'],
    ['tags that nobody knows', '<x EVIL>a</x>', '<x>a</x>'],
    ['other hidden things of HTML', 'a<?EVIL?>b<!X EVIL>c<![CDATA[EVIL]]>d', 'abcd'],
    ['definitions of links', 'a\n[//]: # (EVIL)\n[x]: <> "EVIL"\n[^1]: EVIL\nb', 'a\n\n\n\nb'],
    ['an image by name', '![EVIL][r] ![a\nEVIL](u)', '![][r] ![](u)'],
    ['titles of other kinds', '[a](u (EVIL)) [a](u\n"EVIL") [a](<u v> "EVIL") [a](u "E\\"VIL")', '[a](u) [a](u) [a](<u>) [a](u)'],
    ['what stands behind a language', '```js EVIL\ncode\n```', '```js\ncode\n```'],
    ['characters as numbers', '&#100;&#x6f; &#0;&#xD800;&#x200b;', 'do'],
  ])('is without %s', (_, text, shown) => expect(shownText(text)).toBe(shown))

  it('is else as it was', () => {
    const text = 'Write `<b>` & "x" — ähnlich, 日本語.\n\n- one\n- [link](https://example.com)\n'
    expect(shownText(text)).toBe(text.trim())
  })

  it('keeps code as it is, where a page shows it as code', () => {
    const code = 'Change this:\n\n```html\n<img class="hero" alt="A loaf" src="x">\n[a]: b\n```\n\nto that.'
    expect(shownText(code)).toBe(code)
    expect(shownText('<div>\n```\n<x EVIL>\n```\n</div>')).not.toContain('EVIL')
    expect(shownText('\n```\n<x EVIL>')).not.toContain('EVIL')
  })

  it('takes time in proportion to its length, whatever it holds', () => {
    for (const piece of [
      '<!--',
      '<a ',
      '<a x="',
      '](<',
      '](u "',
      '[a]: ',
      '```a ',
      '<![CDATA[',
      '![',
      '[x](',
      '](" ',
      ' alt="',
      '&#',
      '<!-- -->',
      '\u200b',
      ' data-',
    ]) {
      const took = [1, 10].map((times) => {
        const text = piece.repeat(4000 * times)
        const once = (): number => {
          const began = performance.now()
          shownText(text)
          quietText(text, 1e9)
          return performance.now() - began
        }
        return Math.min(...Array.from({ length: 5 }, once)) // whatever else this machine does meanwhile
      })
      expect((took[1] ?? 0) / Math.max(took[0] ?? 0, 2), piece).toBeLessThan(40)
    }
  })
})

describe('text of an agent, in a comment', () => {
  const plain = (text: string): string => text.replaceAll('\u200b', '')
  it.each([
    ['mentions nobody', '@alice and @acme/team', /@(?=[a-z])/],
    ['closes no issue', 'Fixes #5, closes acme/site#6 and GH-7', /#\d|GH-\d/],
    ['closes none by its address', 'resolves https://github.com/acme/site/issues/5 and /pull/6 and /issues/%37', /\/(issues|pull)\/[\d%]/],
    ['does none of that by entities', '&commat;bob &#x40;bob &num;3', /&[#a-z]/],
    ['loads no image', '![x](https://evil/?q=secret) ![x][1] <img src=x>', /!\[|<img/],
    ['holds no HTML', '<script>x</script><!-- hidden -->', /<[a-z/!]/],
    ['holds no marker of ours', markerOf('answer', 'a'), /<!--/],
  ])('%s', (_, text, pattern) => {
    expect(quietText(text)).not.toMatch(pattern)
    expect(plain(quietText(text))).toBe(text)
    expect(quietText(`\`\`\`\n${text}\n\`\`\``)).not.toMatch(pattern)
  })

  it('is cut at what GitHub takes, and keeps whole characters', () => {
    const cut = quietText('😀'.repeat(50_000), 101)
    expect(cut.length).toBeLessThanOrEqual(101)
    expect(cut.isWellFormed()).toBe(true)
    expect(cut).toMatch(/\(cut\)$/)
  })

  it('ends the code blocks that it begins', () => {
    expect(quietText('See:\n\n```js\nlet x = 1\n')).toMatch(/\n```$/)
    expect(quietText('~~~~\n```\nx')).toMatch(/\n~~~~$/)
    expect(quietText('```\nx\n```\ny')).toMatch(/y$/)
  })

  it('is one line where it has to be', () => expect(quietLine('# A\n\n- b @x', 100)).toBe('A - b @\u200bx'))
})

it('a marker cannot be ended by what is in it', () => expect(markerOf('answer', 'x --> <b>')).toBe('<!-- branchline answer x --_ _b_ -->'))
