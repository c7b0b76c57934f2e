import { useEffect, useReducer, useState } from 'preact/hooks'
import { Refused, type Api, type Status } from './api.ts'
import { Changes } from './changes.tsx'
import { Chat } from './chat.tsx'
import { Composer } from './composer.tsx'
import { PreviewFrame } from './preview-frame.tsx'
import { after, EMPTY } from './thread-view.ts'

const NAME = 'abcdefghjkmnpqrstuvwxyz23456789'

interface Props {
  readonly api: Api
  readonly threadId: string | undefined
  readonly begun: (threadId: string) => void
}

/** One thread: what was said and done, what comes next, and the site beside it. */
export function Thread({ api, threadId, begun }: Props) {
  const [view, hear] = useReducer(after, EMPTY)
  const [connected, setConnected] = useState(true)
  const [problem, setProblem] = useState<string>()
  const [status, setStatus] = useState<Status>()
  const [side, setSide] = useState<'preview' | 'changes'>('preview')

  useEffect(() => {
    if (threadId === undefined) return
    const gone = new AbortController()
    api.watch(threadId, hear, setConnected, gone.signal).catch((error: unknown) => setProblem(messageOf(error)))
    return () => gone.abort()
  }, [api, threadId])
  const ended = view.entries.filter(({ kind }) => kind === 'ended').length
  useEffect(() => {
    if (threadId === undefined) return
    let over = false
    api.status(threadId).then(
      (now) => over || setStatus(now),
      () => {}, // there is none yet, or the connection is lost, which is shown
    )
    return () => {
      over = true
    }
  }, [api, threadId, ended, view.previewChanges, view.running])

  /** Does what a button says; what is refused is shown. */
  const act = async (work: () => Promise<unknown>): Promise<boolean> => {
    setProblem(undefined)
    try {
      await work()
      return true
    } catch (error) {
      setProblem(messageOf(error))
      return false
    }
  }
  const send = (text: string, delivery: 'interrupt' | 'queue' | 'steer', mode: 'execute' | 'plan'): Promise<boolean> =>
    act(async () => {
      const id = threadId ?? newName(text)
      await api.send(id, text, delivery, mode)
      if (threadId === undefined) begun(id)
    })
  const works = api.me.role !== 'view'
  return (
    <main class="thread">
      <section class="talk" aria-label="Conversation">
        {!connected && (
          <p class="lost" role="status">
            The connection is lost; it is taken up again by itself. Nothing is lost.
          </p>
        )}
        {threadId === undefined ? (
          <Welcome simulated={api.me.simulated} />
        ) : (
          <Chat view={view} undo={works ? () => void act(() => api.act(threadId, 'undo')) : undefined} />
        )}
        {problem !== undefined && (
          <p class="wrong" role="alert">
            {problem}
          </p>
        )}
        {works && (
          <Composer
            key={threadId ?? ''}
            draft={threadId ?? ''}
            running={view.running !== undefined}
            send={send}
            stop={threadId === undefined ? undefined : () => void act(() => api.act(threadId, 'interrupt'))}
          />
        )}
      </section>
      {threadId !== undefined && (
        <section class="side" aria-label="Site">
          <header>
            <div role="tablist">
              <button role="tab" aria-selected={side === 'preview'} onClick={() => setSide('preview')}>
                Preview
              </button>
              <button role="tab" aria-selected={side === 'changes'} onClick={() => setSide('changes')}>
                Changes{status === undefined || status.changedFiles.length === 0 ? '' : ` (${status.changedFiles.length})`}
              </button>
            </div>
            {status !== undefined && status.costUsd > 0 && <span class="cost">{status.costUsd.toFixed(2)} USD</span>}
            {works && <Propose act={act} api={api} threadId={threadId} />}
          </header>
          {side === 'preview' ? (
            <PreviewFrame preview={status?.preview} start={works ? () => void act(() => api.act(threadId, 'preview/start')) : undefined} />
          ) : (
            <Changes load={() => api.diff(threadId)} version={ended} />
          )}
        </section>
      )}
    </main>
  )
}

interface ProposeProps {
  readonly api: Api
  readonly threadId: string
  readonly act: (work: () => Promise<unknown>) => Promise<boolean>
}

/** Pushes, and opens the pull request. */
function Propose({ api, threadId, act }: ProposeProps) {
  const [busy, setBusy] = useState(false)
  const [url, setUrl] = useState<string>()
  const during = async (work: () => Promise<unknown>): Promise<void> => {
    setBusy(true)
    await act(work)
    setBusy(false)
  }
  return (
    <div class="propose">
      <button disabled={busy} onClick={() => void during(() => api.act(threadId, 'push'))}>
        Push
      </button>
      {url === undefined ? (
        <button class="main" disabled={busy} onClick={() => void during(async () => setUrl(await api.pullRequest(threadId)))}>
          {busy ? 'One moment …' : 'Open pull request'}
        </button>
      ) : (
        <a class="main" href={url} target="_blank" rel="noreferrer">
          See pull request
        </a>
      )}
    </div>
  )
}

const Welcome = ({ simulated }: { readonly simulated: boolean }) => (
  <div class="welcome">
    <h1>What should change?</h1>
    <p>Write it in your own words. It is done on a branch of its own, and you see it beside the conversation; nothing of your site changes until you say so.</p>
    {simulated && (
      <p class="hint">
        No key of a model is set, so a scripted model answers. It follows plain instructions, such as{' '}
        <q>replace Fresh bread with Warm bread in src/pages/index.astro</q>.
      </p>
    )}
  </div>
)

const messageOf = (error: unknown): string => (error instanceof Refused ? error.message : 'The service cannot be reached. Try again in a moment.')

/** A name that the text suggests, and that nobody has. */
function newName(text: string): string {
  const words =
    text
      .toLowerCase()
      .match(/[a-z0-9]+/g)
      ?.slice(0, 4)
      .join('-')
      .slice(0, 30) ?? 'thread'
  const random = Array.from(crypto.getRandomValues(new Uint8Array(4)), (byte) => NAME[byte % NAME.length]).join('')
  return `${words}-${random}`
}
