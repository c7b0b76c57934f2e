import { createHash } from 'node:crypto'
import type { PreviewState } from './standing.ts'

/** What the gateway says of a preview that shows nothing yet. */
export interface Shown {
  readonly label: string
  readonly state: PreviewState | 'preparing'
  /** Its last words, or why it could not even be started. */
  readonly output: string
}

export interface Page {
  readonly html: string
  /** The same for who asks for no page. */
  readonly text: string
  /** Its Content-Security-Policy. */
  readonly policy: string
}

const STYLE = `
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; background: light-dark(#faf8f5, #1c1b1a); color: light-dark(#2b2926, #e8e4de) }
main { width: min(40rem, 100% - 3rem); padding: 2rem 0 }
h1 { font-size: 1.3rem; margin: 0 0 .3rem }
p { margin: 0 0 1.2rem; color: light-dark(#6b665f, #a8a298) }
pre { font: 12.5px/1.5 ui-monospace, monospace; background: light-dark(#f0ece6, #272523); border-radius: 8px; padding: 1rem; overflow: auto; max-height: 50vh; white-space: pre-wrap; overflow-wrap: anywhere; margin: 0 }
pre:empty { display: none }
.bar { height: 3px; border-radius: 3px; overflow: hidden; background: light-dark(#e6e1d9, #33302d); margin: 0 0 1.2rem }
.bar::after { content: ''; display: block; height: 100%; width: 30%; border-radius: 3px; background: #c8693b; animation: pass 1.4s ease-in-out infinite }
[data-state=failed] .bar { display: none }
@keyframes pass { from { translate: -100% } to { translate: 340% } }
@media (prefers-reduced-motion: reduce) { .bar::after { animation: none; width: 100%; opacity: .5 } }
`

/** Asks how the preview stands until the site is there, then shows it. What failed is shown, and looked at again now and then. */
const SCRIPT = `
const [title, about, output] = ['title', 'about', 'output'].map((id) => document.getElementById(id))
const look = async () => {
  let wait = 400
  try {
    const shown = await (await fetch('/__branchline/state')).json()
    if (shown.state === 'ready' || shown.state === 'broken') return location.reload()
    document.body.dataset.state = shown.state
    title.textContent = shown.title
    about.textContent = shown.about
    output.textContent = shown.output
    if (shown.state === 'failed') wait = 3000
  } catch { wait = 1500 }
  setTimeout(look, wait)
}
setTimeout(look, 400)
`

const hash = (text: string): string => `'sha256-${createHash('sha256').update(text).digest('base64')}'`
const POLICY = `default-src 'none'; style-src ${hash(STYLE)}; script-src ${hash(SCRIPT)}; connect-src 'self'; base-uri 'none'; form-action 'none'`

const escaped = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')

interface Words {
  readonly title: string
  readonly about: string
}

/** What a person is told of a preview that is not there. */
export function wordsOf({ state }: Pick<Shown, 'state'>): Words {
  switch (state) {
    case 'failed':
      return { title: 'The preview does not start', about: 'It appears here by itself when what is wrong is mended.' }
    case 'preparing':
      return { title: 'The preview is starting', about: 'Dependencies are being installed, which may take a minute; the site appears here by itself.' }
    case 'starting':
    case 'stopped':
    case 'ready':
    case 'broken':
      return { title: 'The preview is starting', about: 'The site appears here by itself.' }
  }
}

const pageOf = (state: string, { title, about }: Words, label: string, body: string): Page => ({
  policy: POLICY,
  text: `${title}.`,
  html: `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${escaped(label)}</title><style>${STYLE}</style><body data-state="${escaped(state)}"><main><h1 id="title">${escaped(title)}</h1><p id="about">${escaped(about)}</p>${body}</main>`,
})

/** The page of a preview that is not there yet; it turns into the site by itself. */
export function statePage(shown: Shown): Page {
  const body = `<div class="bar"></div><pre id="output">${escaped(shown.output)}</pre><script>${SCRIPT}</script>`
  return pageOf(shown.state, wordsOf(shown), `${shown.label}: preview`, body)
}

/** No thread has this name. */
export const nobodyPage = (label: string | undefined): Page =>
  label === undefined
    ? pageOf('failed', { title: 'Nothing to show yet', about: 'Send a message first; the site of its thread appears here.' }, 'Nothing to show yet', '')
    : pageOf('failed', { title: 'No such preview', about: `No thread is called ${label}.` }, 'No such preview', '')
