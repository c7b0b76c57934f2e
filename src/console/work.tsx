import { useEffect, useRef, useState } from 'preact/hooks'
import type { ThreadSummary } from './answers.ts'
import type { Api } from './api.ts'
import { Settings } from './settings.tsx'
import { ago, titleOf } from './text.ts'
import { Thread } from './thread.tsx'

const LIST_MS = 5000

interface Props {
  readonly api: Api
  readonly signOut: (() => void) | undefined
}

/** The threads on the left, the one that is open beside them. The address names it, so that a reload and a link find it. */
export function Work({ api, signOut }: Props) {
  const [threads, setThreads] = useState<readonly ThreadSummary[]>([])
  const [open, setOpen] = useState(() => api.me.threadId ?? threadOfAddress())
  const [listed, setListed] = useState(false)
  const settings = useRef<HTMLDialogElement>(null)
  const list = async (): Promise<void> => {
    if (document.visibilityState === 'visible') await api.threads().then(setThreads, () => {}) // the thread says that the connection is lost
  }
  useEffect(() => {
    void list()
    const timer = setInterval(() => void list(), LIST_MS)
    const moved = (): void => {
      setOpen(api.me.threadId ?? threadOfAddress())
      setListed(false)
    }
    addEventListener('hashchange', moved)
    return () => {
      clearInterval(timer)
      removeEventListener('hashchange', moved)
    }
  }, [api])
  useEffect(() => {
    document.title = open === undefined ? 'Branchline' : `${titleOf(open)} · Branchline`
  }, [open])
  const begun = (threadId: string): void => {
    location.hash = `#/${encodeURIComponent(threadId)}`
    void list()
  }
  const now = Date.now()
  return (
    <div class={`work ${listed ? 'listed' : ''}`}>
      <nav aria-label="Threads">
        <header>
          <strong>Branchline</strong>
          {api.me.simulated && (
            <span class="badge" title="A script answers in place of a model">
              demo
            </span>
          )}
          <span class="grow" />
          <button class="only-narrow" onClick={() => setListed(false)}>
            Close
          </button>
        </header>
        {api.works && api.me.threadId === undefined && (
          <a class="button new" href="#/" aria-current={open === undefined ? 'page' : undefined} onClick={() => setListed(false)}>
            New thread
          </a>
        )}
        <ul>
          {threads.map(({ threadId, state, lastActiveAt }) => (
            <li key={threadId}>
              <a
                href={`#/${encodeURIComponent(threadId)}`}
                aria-current={threadId === open ? 'page' : undefined}
                title={threadId}
                onClick={() => setListed(false)}
              >
                <span class="name">{titleOf(threadId)}</span>
                {state === 'idle' ? (
                  <span class="hint">{ago(lastActiveAt, now)}</span>
                ) : (
                  <span class={`state ${state}`}>{state === 'running' ? 'works' : 'waits'}</span>
                )}
              </a>
            </li>
          ))}
        </ul>
        <footer>
          <button onClick={() => settings.current?.showModal()}>Settings and cost</button>
        </footer>
      </nav>
      <Thread key={open ?? ''} api={api} threadId={open} begun={begun} moved={() => void list()} showList={() => setListed(true)} />
      <Settings dialog={settings} api={api} signOut={signOut} />
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
