import { defaultKeymap, history, historyKeymap, indentWithTab } from '@codemirror/commands'
import { css } from '@codemirror/lang-css'
import { html } from '@codemirror/lang-html'
import { javascript } from '@codemirror/lang-javascript'
import { json } from '@codemirror/lang-json'
import { markdown } from '@codemirror/lang-markdown'
import { bracketMatching, defaultHighlightStyle, indentOnInput, syntaxHighlighting } from '@codemirror/language'
import { EditorState, type Extension } from '@codemirror/state'
import { drawSelection, EditorView, highlightActiveLine, keymap, lineNumbers } from '@codemirror/view'

export interface Editor {
  readonly text: () => string
  readonly close: () => void
}

const script = (): Extension => javascript({ jsx: true, typescript: true })
const LANGUAGES: Readonly<Record<string, () => Extension>> = {
  css,
  scss: css,
  html,
  astro: html,
  svelte: html,
  vue: html,
  svg: html,
  xml: html,
  js: script,
  mjs: script,
  ts: script,
  jsx: script,
  tsx: script,
  json,
  md: markdown,
  mdx: markdown,
}

/** Opens a text in an editor. It lies in a shadow root, where its style needs no exception of the content security policy. */
export function openEditor(place: HTMLElement, path: string, text: string, on: { readonly change: () => void; readonly save: () => void }): Editor {
  const root = place.shadowRoot ?? place.attachShadow({ mode: 'open' })
  const language = LANGUAGES[path.split('.').at(-1)?.toLowerCase() ?? '']?.()
  const state = EditorState.create({
    doc: text,
    extensions: [
      keymap.of([
        {
          key: 'Mod-s',
          run: () => {
            on.save()
            return true
          },
        },
        indentWithTab,
        ...defaultKeymap,
        ...historyKeymap,
      ]),
      history(),
      lineNumbers(),
      drawSelection(),
      highlightActiveLine(),
      bracketMatching(),
      indentOnInput(),
      syntaxHighlighting(defaultHighlightStyle),
      EditorView.lineWrapping,
      EditorView.contentAttributes.of({ 'aria-label': `Text of ${path}` }),
      EditorView.updateListener.of(({ docChanged }) => docChanged && on.change()),
      EditorView.theme({ '&': { height: '100%', color: '#211f1b', backgroundColor: '#ffffff', fontSize: '14px' }, '.cm-scroller': { overflow: 'auto' } }),
      ...(language === undefined ? [] : [language]),
    ],
  })
  const view = new EditorView({ state, parent: root, root })
  view.focus()
  return { text: () => view.state.doc.toString(), close: () => view.destroy() }
}
