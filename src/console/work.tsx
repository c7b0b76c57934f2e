import { useEffect, useState } from 'preact/hooks'
import type { Api, ThreadSummary } from './api.ts'
import { Thread } from './thread.tsx'

const LIST_MS = 5000

interface Props {
  readonly api: Api
  readonly signOut: (() => void) | undefined
}

/** The threads on the left, the one that is open beside them. The address names it, so that a reload and a link find it. */
export function Work({ api, signOut }: Props) {
  const [threads, setThreads] = useState<readonly ThreadSummary[]>([])
  const [open, setOpen] = useState(() => threadOfAddress())
  const list = async (): Promise<void> => {
    await api.threads().then(setThreads, () => {}) // the thread says that the connection is lost
  }
  useEffect(() => {
    void list()
    const timer = setInterval(() => void list(), LIST_MS)
    const moved = (): void => setOpen(threadOfAddress())
    addEventListener('hashchange', moved)
    return () => {
      clearInterval(timer)
      removeEventListener('hashchange', moved)
    }
  }, [api])
  const begun = (threadId: string): void => {
    location.hash = `#/${encodeURIComponent(threadId)}`
    void list()
  }
  return (
    <div class="work">
      <nav aria-label="Threads">
        <header>
          <strong>Branchline</strong>
          {api.me.simulated && (
            <span class="badge" title="A scripted model answers; set ANTHROPIC_API_KEY for a real one">
              simulation
            </span>
          )}
        </header>
        <a class="new" href="#/" aria-current={open === undefined ? 'page' : undefined}>
          New thread
        </a>
        <ul>
          {threads.map(({ threadId, state }) => (
            <li key={threadId}>
              <a href={`#/${encodeURIComponent(threadId)}`} aria-current={threadId === open ? 'page' : undefined}>
                <span class="name">{threadId}</span>
                {state !== 'idle' && <span class={`state ${state}`}>{state}</span>}
              </a>
            </li>
          ))}
        </ul>
        {signOut !== undefined && <button onClick={signOut}>Sign out</button>}
      </nav>
      <Thread key={open ?? ''} api={api} threadId={open} begun={begun} />
    </div>
  )
}

function threadOfAddress(): string | undefined {
  try {
    return decodeURIComponent(location.hash.replace(/^#\/?/, '')) || undefined
  } catch {
    return undefined
  }
}
