import type { Present } from './api.ts'
import { visible } from './text.ts'
import type { Entry, ThreadView } from './thread-view.ts'

/** Who else is here; one's own further windows are nobody else. */
export function People({ people, me }: { readonly people: readonly Present[]; readonly me: string }) {
  const others = [...new Set(people.map(({ name }) => name))].filter((name) => name !== me).map(visible)
  if (others.length === 0) return people.length < 2 ? null : <span class="hint">Open in {people.length} windows</span>
  return (
    <span class="people" title={`Here now: you and ${others.join(', ')}`}>
      <span class="hidden">Here now: you and {others.join(', ')}</span>
      {others.slice(0, 5).map((name) => (
        <span key={name} aria-hidden="true" class="person">
          {name.charAt(0).toUpperCase()}
        </span>
      ))}
    </span>
  )
}

/** Tells who hears the page and does not see it what has come last. */
export function Said({ view }: { readonly view: ThreadView }) {
  const last = view.entries.findLast(({ kind }) => kind === 'ended' || kind === 'question' || kind === 'commit')
  return (
    <p class="hidden" role="status">
      {last !== undefined && <span key={last.key}>{wordsFor(last)}</span>}
    </p>
  )
}

function wordsFor(entry: Entry): string {
  if (entry.kind === 'commit') return `Saved: ${entry.subject}`
  if (entry.kind === 'question') return `A question: ${entry.text}`
  if (entry.kind !== 'ended') return ''
  return entry.success ? 'Done.' : entry.code === 'interrupted' ? 'Stopped.' : `Not done: ${entry.text}`
}
