import { useEffect, useState } from 'preact/hooks'
import type { Diff } from './api.ts'

interface Props {
  readonly load: () => Promise<Diff>
  /** Whenever it is another one, the changes are asked for anew. */
  readonly version: number
}

/** What the thread has changed, by file. */
export function Changes({ load, version }: Props) {
  const [diff, setDiff] = useState<Diff>()
  useEffect(() => {
    let over = false
    load().then(
      (now) => over || setDiff(now),
      () => {}, // the thread says that the connection is lost
    )
    return () => {
      over = true
    }
  }, [version])
  if (diff === undefined) return <p class="hint">…</p>
  if (diff.files.length === 0) return <p class="nothing">Nothing is changed yet.</p>
  return (
    <div class="changes">
      {diff.patch
        .split(/^(?=diff --git )/m)
        .filter((part) => part !== '')
        .map((part) => (
          <File key={part.split('\n', 1)[0] ?? ''} part={part} />
        ))}
      {diff.cut && <p class="hint">There is more than is shown here.</p>}
    </div>
  )
}

function File({ part }: { readonly part: string }) {
  const [first = '', ...lines] = part.trimEnd().split('\n')
  const name = / b\/(.+)$/.exec(first)?.[1] ?? first
  const from = lines.findIndex((line) => line.startsWith('@@'))
  return (
    <details open>
      <summary>{name}</summary>
      <pre>
        {(from === -1 ? lines : lines.slice(from)).map((line, at) => (
          <span key={at} class={line.startsWith('+') ? 'added' : line.startsWith('-') ? 'removed' : line.startsWith('@@') ? 'where' : ''}>
            {line}
            {'\n'}
          </span>
        ))}
      </pre>
    </details>
  )
}
