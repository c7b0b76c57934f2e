import { useLayoutEffect, useRef } from 'preact/hooks'
import type { Entry, ThreadView } from './thread-view.ts'

interface Props {
  readonly view: ThreadView
  readonly undo: (() => void) | undefined
}

/** Nearer than this to the end, in px, it follows what comes. */
const NEAR_PX = 80

/** What was said and done. All of it is shown as text, whatever it holds. */
export function Chat({ view, undo }: Props) {
  const list = useRef<HTMLOListElement>(null)
  const follows = useRef(true)
  useLayoutEffect(() => {
    if (follows.current) list.current?.scrollTo({ top: list.current.scrollHeight })
  }, [view])
  const lastCommit = view.entries.findLast(({ kind }) => kind === 'commit')?.key
  return (
    <ol
      class="entries"
      ref={list}
      tabIndex={0}
      aria-label="Messages"
      onScroll={({ currentTarget: { scrollTop, scrollHeight, clientHeight } }) => {
        follows.current = scrollHeight - scrollTop - clientHeight < NEAR_PX
      }}
    >
      {view.entries.map((entry, at) => (
        <li key={entry.key} class={entry.kind}>
          <Shown entry={entry} before={view.entries[at - 1]} undo={entry.key === lastCommit && view.running === undefined ? undo : undefined} />
        </li>
      ))}
      {view.plan.length > 0 && view.running !== undefined && (
        <li class="plan">
          <ul>
            {view.plan.map(({ text, state }) => (
              <li key={text} class={state}>
                {text}
              </li>
            ))}
          </ul>
        </li>
      )}
      {view.running !== undefined && (
        <li class="working" role="status">
          {view.progress ?? 'Working …'}
        </li>
      )}
    </ol>
  )
}

const SHOWN_TYPES: Readonly<Record<string, string>> = {
  restore: 'Go back',
  push: 'Push',
  build: 'Build',
  preview: 'Show the preview',
  commit: 'Commit',
  merge: 'Merge',
}

function Shown({ entry, before, undo }: { readonly entry: Entry; readonly before: Entry | undefined; readonly undo: (() => void) | undefined }) {
  switch (entry.kind) {
    case 'message':
      return (
        <>
          <p>{SHOWN_TYPES[entry.type] ?? entry.text}</p>
          {entry.state === 'waiting' && <span class="hint">waits for its turn</span>}
        </>
      )
    case 'said':
      return <p>{entry.text}</p>
    case 'tool':
      return (
        <details>
          <summary>
            <strong>{entry.tool}</strong> <code>{gist(entry.input)}</code>
            {entry.failed && <span class="failed"> failed</span>}
          </summary>
          <pre>{entry.input}</pre>
          {entry.output !== undefined && <pre>{entry.output}</pre>}
        </details>
      )
    case 'commit':
      return (
        <>
          <span>
            <code>{entry.commit.slice(0, 7)}</code> {entry.subject}
          </span>
          {undo !== undefined && <button onClick={undo}>Undo</button>}
        </>
      )
    case 'question':
      return <p>{entry.text}</p>
    case 'ended': {
      const repeats = (before?.kind === 'said' && before.text.includes(entry.text)) || (before?.kind === 'commit' && entry.text.startsWith(before.subject))
      return <p class={entry.success ? '' : 'wrong'}>{repeats ? 'Done.' : entry.text}</p>
    }
    case 'gap':
      return <p class="hint">Older events are no longer kept.</p>
  }
}

/** What a tool is about, in one line: its file, command or pattern where it says one. */
function gist(input: string): string {
  const [, said] = /"(?:file_path|command|pattern|path|url|description)"\s*:\s*"((?:[^"\\]|\\.)*)"/.exec(input) ?? []
  return (said ?? input.split('\n', 1)[0] ?? '').slice(0, 100)
}
