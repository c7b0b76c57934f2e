import MarkdownIt, { type Token } from 'markdown-it'
import { h, type ComponentChildren, type VNode } from 'preact'
import { useMemo, useState } from 'preact/hooks'
import { LONG, visible } from './text.ts'

const markdown = new MarkdownIt({ html: false, linkify: false, maxNesting: 20 })

/** What the agent writes: headings, lists, code, links and the like. Nothing in it is taken as HTML, and nothing is fetched. */
export function Markdown({ text }: { readonly text: string }) {
  const [whole, setWhole] = useState(false)
  const shown = useMemo(() => (text.length > LONG ? undefined : rendered(visible(text))), [text])
  if (shown !== undefined) return <div class="prose">{shown}</div>
  return (
    <div class="prose">
      <p class="plain">{visible(whole ? text : text.slice(0, LONG))}</p>
      {!whole && <button onClick={() => setWhole(true)}>Show all ({Math.ceil(text.length / 1000)} thousand characters)</button>}
    </div>
  )
}

const TAGS: ReadonlySet<string> = new Set('p h1 h2 h3 h4 h5 h6 ul ol li blockquote em strong s table thead tbody tr th td hr br'.split(' '))

/** More parts than this are shown as they were written: a table of thousands of cells keeps a browser busy for seconds. */
const MANY = 4000

function rendered(text: string): ComponentChildren {
  const tokens = markdown.parse(text, {})
  return tokens.length > MANY ? <p class="plain">{text}</p> : nodes(tokens)
}

/** Tokens stand in one row, each that opens something before the one that closes it. */
function nodes(tokens: readonly Token[]): readonly (VNode | string)[] {
  const stack: { readonly open: Token | undefined; readonly children: (VNode | string)[] }[] = [{ open: undefined, children: [] }]
  for (const token of tokens) {
    const top = stack.at(-1)
    if (token.nesting === 1) stack.push({ open: token, children: [] })
    else if (token.nesting === -1) {
      const closed = stack.pop()
      stack.at(-1)?.children.push(...element(closed?.open, closed?.children ?? []))
    } else top?.children.push(...leaf(token))
  }
  return stack[0]?.children ?? []
}

function element(open: Token | undefined, children: (VNode | string)[]): readonly (VNode | string)[] {
  if (open === undefined || open.hidden) return children
  if (open.type === 'link_open') return [link(String(open.attrGet('href') ?? ''), children)]
  // The page has its own heading; those of an answer come below it.
  const tag = /^h[1-6]$/.test(open.tag) ? `h${Math.min(6, Number(open.tag.slice(1)) + 2)}` : open.tag
  return TAGS.has(tag) ? [h(tag, null, ...children)] : children
}

function leaf(token: Token): readonly (VNode | string)[] {
  switch (token.type) {
    case 'inline':
      return nodes(token.children ?? [])
    case 'fence':
    case 'code_block':
      return [
        <pre>
          <code>{token.content}</code>
        </pre>,
      ]
    case 'code_inline':
      return [<code>{token.content}</code>]
    case 'softbreak':
      return ['\n']
    case 'hardbreak':
      return [<br />]
    case 'hr':
      return [<hr />]
    case 'image':
      return [link(String(token.attrGet('src') ?? ''), [token.content === '' ? 'picture' : token.content])]
    default:
      return [token.content]
  }
}

/** Opens in a tab of its own, and is told nothing of where it was opened from. */
function link(href: string, children: (VNode | string)[]): VNode {
  if (!/^(https?|mailto):/i.test(href)) return <span>{children}</span>
  return (
    <a href={href} target="_blank" rel="noreferrer">
      {children}
    </a>
  )
}
