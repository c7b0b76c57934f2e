import { defaultKeymap, history, historyKeymap, indentWithTab } from '@codemirror/commands'
import { bracketMatching, HighlightStyle, indentOnInput, syntaxHighlighting } from '@codemirror/language'
import { EditorState, type Extension } from '@codemirror/state'
import { drawSelection, EditorView, highlightActiveLine, keymap, lineNumbers } from '@codemirror/view'
import { tags } from '@lezer/highlight'

export interface Editor {
  readonly text: () => string
  readonly close: () => void
}

const script = async (): Promise<Extension> => (await import('@codemirror/lang-javascript')).javascript({ jsx: true, typescript: true })
const css = async (): Promise<Extension> => (await import('@codemirror/lang-css')).css()
const html = async (): Promise<Extension> => (await import('@codemirror/lang-html')).html()
const json = async (): Promise<Extension> => (await import('@codemirror/lang-json')).json()
const markdown = async (): Promise<Extension> => (await import('@codemirror/lang-markdown')).markdown()
/** What is not needed for a file is not fetched. */
const LANGUAGES: Readonly<Record<string, () => Promise<Extension>>> = {
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

const COLOURS = HighlightStyle.define([
  { tag: [tags.keyword, tags.tagName, tags.heading], color: 'light-dark(#7a2e0e, #f0a878)' },
  { tag: [tags.string, tags.attributeValue, tags.link, tags.url], color: 'var(--go)' },
  { tag: [tags.number, tags.bool, tags.null, tags.color, tags.unit], color: 'light-dark(#1f5a8a, #8fc3ee)' },
  { tag: [tags.propertyName, tags.attributeName], color: 'light-dark(#6a3a8a, #cda6ec)' },
  { tag: [tags.comment, tags.meta], color: 'var(--soft)' },
  { tag: [tags.heading, tags.strong], fontWeight: 'bold' },
  { tag: tags.emphasis, fontStyle: 'italic' },
])
const THEME = EditorView.theme({
  '&': { height: '100%', color: 'var(--ink)', backgroundColor: 'var(--raised)', fontSize: '14px' },
  '.cm-scroller': { overflow: 'auto' },
  '.cm-gutters': { color: 'var(--soft)', backgroundColor: 'var(--paper)', border: '0' },
  '.cm-activeLine': { backgroundColor: 'var(--sunk)' },
  '.cm-cursor': { borderLeftColor: 'var(--ink)' },
  '&.cm-focused .cm-selectionBackground, .cm-selectionBackground': { background: 'light-dark(#cfe3d6, #2f4a3b) !important' },
})

/** Opens a text in an editor. It lies in a shadow root, where its style needs no exception of the content security policy. */
export async function openEditor(
  place: HTMLElement,
  path: string,
  text: string,
  on: { readonly works: boolean; readonly change: () => void; readonly save: () => void },
): Promise<Editor> {
  const language = await LANGUAGES[path.split('.').at(-1)?.toLowerCase() ?? '']?.()
  const root = place.shadowRoot ?? place.attachShadow({ mode: 'open' })
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
      EditorState.readOnly.of(!on.works),
      // A file keeps the ends of lines that it has.
      ...(text.includes('\r\n') ? [EditorState.lineSeparator.of('\r\n')] : []),
      history(),
      lineNumbers(),
      drawSelection(),
      highlightActiveLine(),
      bracketMatching(),
      indentOnInput(),
      syntaxHighlighting(COLOURS),
      EditorView.lineWrapping,
      EditorView.contentAttributes.of({ 'aria-label': `Text of ${path}` }),
      EditorView.updateListener.of(({ docChanged }) => docChanged && on.change()),
      THEME,
      ...(language === undefined ? [] : [language]),
    ],
  })
  const view = new EditorView({ state, parent: root, root })
  view.focus()
  return { text: () => view.state.sliceDoc(), close: () => view.destroy() }
}
