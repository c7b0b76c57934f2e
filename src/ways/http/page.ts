import { createHash } from 'node:crypto'

export type Page =
  | {
      readonly kind: 'begin'
      readonly action: string
      readonly github: string
      readonly manifest: string
      readonly token: string
      readonly organization: string | undefined
    }
  | { readonly kind: 'back'; readonly code: string; readonly state: string }
  | { readonly kind: 'told'; readonly text: string }

const escaped = (text: string): string => text.replaceAll(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`)

const STYLE = `
  :root { color-scheme: light dark; --ink: light-dark(#1c1b19, #ece9e2); --paper: light-dark(#faf8f4, #1b1a18); --line: light-dark(#ddd8cd, #3a3833); --go: light-dark(#1f6f43, #58b483) }
  body { margin: 0; background: var(--paper); color: var(--ink); font: 17px/1.55 system-ui, sans-serif; display: grid; min-height: 100vh; place-items: center }
  main { max-width: 34rem; padding: 2rem 1.25rem }
  h1 { font-size: 1.6rem; line-height: 1.2; margin: 0 0 1rem }
  button, .go { font: inherit; font-weight: 600; border: 0; border-radius: .5rem; padding: .7rem 1.2rem; background: var(--go); color: var(--paper); cursor: pointer; text-decoration: none; display: inline-block }
  button:focus-visible, a:focus-visible, input:focus-visible { outline: 3px solid var(--go); outline-offset: 2px }
  [hidden] { display: none !important }
  input + button, label + button { margin: .4rem 0 0 .3rem }
  details { margin-top: 2rem; border-top: 1px solid var(--line); padding-top: 1rem }
  input { font: inherit; padding: .5rem .7rem; border: 1px solid var(--line); border-radius: .4rem; background: transparent; color: inherit }
  .wrong { border-left: 4px solid #c0392b; padding-left: .8rem }
`

const FINISH = `
  const says = document.querySelector('[role=status]')
  const { code, state } = document.querySelector('main').dataset
  history.replaceState(null, '', '/setup/github/back')
  fetch('/setup/github/finish', { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ code, state }) })
    .then(async (answer) => {
      const body = await answer.json()
      if (!answer.ok) throw new Error(body.detail)
      says.textContent = 'The app ' + body.slug + ' is made, and its credentials are in the vault. Choose the repositories that it is for, then open an issue in one of them.'
      const go = document.querySelector('.go')
      go.href = body.installUrl
      go.hidden = false
    })
    .catch((error) => { says.textContent = error.message; says.className = 'wrong' })
`

/** A page of the guided set-up, and the policy that lets nothing but its own style and script work in it. */
export function page(content: Page): { readonly text: string; readonly policy: string } {
  const script = content.kind === 'back' ? FINISH : ''
  const hash = (text: string): string => `'sha256-${createHash('sha256').update(text).digest('base64')}'`
  const form = content.kind === 'begin' ? `'self' ${new URL(content.action).origin}` : "'none'"
  return {
    text: `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>Branchline and GitHub</title><style>${STYLE}</style></head>
<body>${body(content)}${script === '' ? '' : `<script>${script}</script>`}</body>
</html>
`,
    policy: `default-src 'none'; style-src ${hash(STYLE)}; script-src ${script === '' ? "'none'" : hash(script)}; connect-src 'self'; form-action ${form}; base-uri 'none'; frame-ancestors 'none'`,
  }
}

function body(content: Page): string {
  switch (content.kind) {
    case 'begin':
      return begin(content)
    case 'back':
      return back(content)
    case 'told':
      return told(content)
  }
}

const begin = ({ action, github, manifest, token, organization }: Extract<Page, { kind: 'begin' }>): string => `<main>
<h1>Let GitHub issues become pull requests</h1>
<p>GitHub shows you what the app may do and makes it${organization === undefined ? ' for your own account' : ` for ${escaped(organization)}`}; its key comes back here, into the vault of this service, and nowhere else.</p>
<form method="post" action="${escaped(action)}"><input type="hidden" name="manifest" value="${escaped(manifest)}"><button>Make the app on ${escaped(new URL(github).host)}</button></form>
<details><summary>For an organisation</summary>
<form method="get" action="/setup/github"><input type="hidden" name="token" value="${escaped(token)}"><p><label>Its name <input name="organization" required pattern="[A-Za-z0-9\\-]+" title="Letters, digits and hyphens" value="${escaped(organization ?? '')}"></label> <button>Go on</button></p></form>
</details>
</main>`

const back = ({ code, state }: Extract<Page, { kind: 'back' }>): string => `<main data-code="${escaped(code)}" data-state="${escaped(state)}">
<h1>Let GitHub issues become pull requests</h1>
<p role="status">Taking the credentials from GitHub …</p>
<p><a class="go" hidden>Choose the repositories</a></p>
</main>`

const told = ({ text }: Extract<Page, { kind: 'told' }>): string => `<main>
<h1>Let GitHub issues become pull requests</h1>
<p class="wrong">${escaped(text).replaceAll(/https?:\/\/[\w.:/-]+[\w/]/g, (url) => `<a href="${url}">${url}</a>`)}</p>
</main>`
