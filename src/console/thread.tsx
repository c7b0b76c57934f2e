import { useEffect, useReducer, useRef, useState } from 'preact/hooks'
import type { Status } from './answers.ts'
import { told, type Api, type Present, type Wish } from './api.ts'
import { Changes } from './changes.tsx'
import { Chat } from './chat.tsx'
import { Composer } from './composer.tsx'
import { useDraft, type Remark } from './draft.ts'
import { Files } from './files.tsx'
import { History } from './history.tsx'
import { PreviewFrame } from './preview-frame.tsx'
import { keepRepository, keptRepository } from './project.ts'
import { Propose } from './propose.tsx'
import { Queue } from './queue.tsx'
import { RepositoryField } from './repository.tsx'
import { Share } from './share.tsx'
import { money, newName, titleOf, visible } from './text.ts'
import { after, EMPTY, waitingIn, type Entry, type Message, type ThreadView } from './thread-view.ts'
import { Welcome } from './welcome.tsx'

interface Props {
  readonly api: Api
  readonly threadId: string | undefined
  readonly begun: (threadId: string) => void
  /** A run has begun or ended. */
  readonly moved: () => void
  /** Opens the list of threads, where it is not beside this. */
  readonly list: () => void
}

const SIDES = { preview: 'Preview', changes: 'Changes', history: 'History', files: 'Files' } as const
type Side = keyof typeof SIDES

interface Compared {
  readonly from: string
  readonly to: string
  readonly title: string
}

/** One thread: what was said and done, what comes next, and the site beside it. */
export function Thread({ api, threadId, begun, moved, list }: Props) {
  const [view, hear] = useReducer(after, EMPTY)
  const [connected, setConnected] = useState(true)
  const [problem, setProblem] = useState<string>()
  const [status, setStatus] = useState<Status>()
  const [side, setSide] = useState<Side>('preview')
  const [compared, setCompared] = useState<Compared>()
  const [facing, setFacing] = useState<'talk' | 'site'>('talk')
  const [draft, write] = useDraft(threadId ?? '')
  const [page, setPage] = useState<{ readonly path: string; readonly times: number }>()
  const [people, setPeople] = useState<readonly Present[]>([])
  const [repository, setRepository] = useState(api.me.repository)
  const [repoUrl, setRepoUrl] = useState(keptRepository)
  const frame = useRef<HTMLElement>(null)

  useEffect(() => {
    if (threadId === undefined) return
    const gone = new AbortController()
    api.watch(threadId, { hear, connected: setConnected, present: setPeople }, gone.signal).catch((error: unknown) => setProblem(told(error)))
    return () => gone.abort()
  }, [api, threadId])
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
  }, [api, threadId, view.version, view.running])

  useEffect(moved, [view.running])
  useEffect(() => {
    if (!repository.begun) void api.repository().then(setRepository, () => {}) // what was known is shown
  }, [api, view.version])

  /** Does what a button says; what is refused is shown. */
  const act = async (work: () => Promise<unknown>): Promise<boolean> => {
    setProblem(undefined)
    try {
      await work()
      return true
    } catch (error) {
      setProblem(told(error))
      return false
    }
  }
  const send = (wish: Wish): Promise<boolean> =>
    act(async () => {
      const id = threadId ?? newName(wish.instruction)
      await api.send(id, { ...wish, repoUrl: repository.begun || repoUrl.trim() === '' ? undefined : repoUrl.trim() })
      if (threadId === undefined) begun(id)
    })
  const say = (instruction: string): void => void send({ instruction, delivery: 'interrupt', mode: 'execute', attachments: [] })
  const enterRepository = (url: string): void => {
    setRepoUrl(url)
    keepRepository(url)
  }
  const works = api.me.role !== 'view'
  const running = view.running !== undefined
  const show = (which: Side): void => {
    setSide(which)
    setFacing('site')
  }
  const look = (from: string, to: string, title: string): void => {
    setCompared({ from, to, title })
    show('changes')
  }
  const lookAt = async (commit: string): Promise<void> => {
    if (threadId === undefined) return
    await act(async () => {
      const { base, checkpoints } = await api.checkpoints(threadId)
      const at = checkpoints.findIndex((each) => each.commit === commit)
      const before = checkpoints[at - 1]?.commit ?? base
      if (before !== undefined) look(before, commit, checkpoints[at]?.subject ?? '')
    })
  }
  const remark = (made: Remark): void => write({ remarks: [...draft.remarks, made] })
  const edit = (message: Message): void =>
    void act(async () => {
      const text = await api.withdraw(message.commandId)
      write({ text: [text, draft.text].filter((each) => each !== '').join('\n\n') })
    })

  const talk = (
    <section class="talk" aria-label="Conversation">
      {!connected && (
        <p class="lost" role="status">
          The connection is lost and is being taken up again. Nothing is lost.
        </p>
      )}
      {threadId === undefined ? (
        <Welcome
          api={api}
          repository={repository}
          repoUrl={repoUrl}
          setRepoUrl={enterRepository}
          propose={(text) => {
            write({ text: [draft.text, text].filter((each) => each !== '').join('\n') })
            document.getElementById('message')?.focus()
          }}
        />
      ) : (
        <Chat
          view={view}
          acts={{
            undo: works && status?.changedFiles.length !== 0 ? () => void act(() => api.act(threadId, 'undo')) : undefined,
            send: works ? say : undefined,
            carryOut: works ? () => say('Do what you have just planned.') : undefined,
            look: (commit) => void lookAt(commit),
            open: (path) => {
              setPage((now) => ({ path, times: (now?.times ?? 0) + 1 }))
              show('preview')
            },
            picture: (path) => api.picture(path),
            me: api.me.name,
          }}
        />
      )}
      {problem !== undefined && (
        <p class="trouble wrong" role="alert">
          <span class="grow">{problem}</span>
          <button aria-label="Dismiss" onClick={() => setProblem(undefined)}>
            ×
          </button>
        </p>
      )}
      {threadId !== undefined && works && !repository.begun && !running && view.entries.some(({ kind }) => kind === 'ended') && (
        <RepositoryField url={repoUrl} setUrl={enterRepository} />
      )}
      <Queue
        waiting={waitingIn(view)}
        acts={
          works
            ? {
                edit,
                remove: ({ commandId }) => void act(() => api.withdraw(commandId)),
                now: ({ commandId }) => void act(() => api.hurry(commandId)),
              }
            : undefined
        }
      />
      {works ? (
        <Composer
          draft={draft}
          write={write}
          running={running}
          send={send}
          stop={threadId === undefined ? undefined : () => void act(() => api.act(threadId, 'interrupt'))}
          tell={setProblem}
        />
      ) : (
        <p class="hint">You may look at this thread. To work in it, ask for a link that allows that.</p>
      )}
      <Said view={view} />
    </section>
  )
  if (threadId === undefined)
    return (
      <main class="thread">
        <header class="top">
          <button class="only-narrow" onClick={list}>
            Threads
          </button>
        </header>
        {talk}
      </main>
    )
  return (
    <main class={`thread facing-${facing}`}>
      <header class="top">
        <button class="only-narrow" onClick={list}>
          Threads
        </button>
        <h1 title={threadId}>{titleOf(threadId)}</h1>
        {(view.costUsd ?? status?.costUsd ?? 0) > 0 && (
          <span class="hint" title="What this thread has cost by now">
            {money(view.costUsd ?? status?.costUsd ?? 0)}
          </span>
        )}
        <span class="grow" />
        <div class="group only-narrow" role="group" aria-label="What is shown">
          <button aria-pressed={facing === 'talk'} onClick={() => setFacing('talk')}>
            Chat
          </button>
          <button aria-pressed={facing === 'site'} onClick={() => setFacing('site')}>
            Site
          </button>
        </div>
        <People people={people} me={api.me.name} />
        {works && api.me.threadId === undefined && <Share api={api} threadId={threadId} />}
        {works && <Propose api={api} threadId={threadId} status={status} act={act} />}
      </header>
      {talk}
      <section class="side" aria-label="Site" ref={frame}>
        <div role="tablist" aria-label="What is shown of the site" class="tabs">
          {(['preview', 'changes', 'history', 'files'] as const).map((each) => (
            <button
              key={each}
              role="tab"
              id={`tab-${each}`}
              aria-controls="shown"
              aria-selected={side === each}
              tabIndex={side === each ? 0 : -1}
              onClick={() => setSide(each)}
              onKeyDown={({ key, currentTarget }) => {
                const to = key === 'ArrowRight' ? currentTarget.nextElementSibling : key === 'ArrowLeft' ? currentTarget.previousElementSibling : null
                if (to instanceof HTMLElement) {
                  to.focus()
                  to.click()
                }
              }}
            >
              {SIDES[each]}
              {each === 'changes' && status !== undefined && status.changedFiles.length > 0 && <span class="count">{status.changedFiles.length}</span>}
            </button>
          ))}
        </div>
        <div id="shown" role="tabpanel" aria-labelledby={`tab-${side}`} class="shown">
          {side === 'preview' && (
            <PreviewFrame
              preview={status?.preview}
              commit={status?.lastCommit}
              page={page}
              link={!api.me.open ? () => api.previewLink(threadId) : undefined}
              start={works ? () => void act(() => api.act(threadId, 'preview/start')) : undefined}
              remark={works ? remark : undefined}
              mend={works ? (errors) => say(`The preview shows this:\n\n${errors.join('\n\n')}\n\nFind the cause and mend it.`) : undefined}
            />
          )}
          {side === 'changes' && (
            <Changes
              load={() => api.diff(threadId, compared)}
              version={`${view.version} ${compared?.from ?? ''} ${compared?.to ?? ''}`}
              shown={compared === undefined ? undefined : { title: compared.title, back: () => setCompared(undefined) }}
              remark={works ? remark : undefined}
            />
          )}
          {side === 'files' && <Files api={api} threadId={threadId} version={String(view.version)} works={works} />}
          {side === 'history' && (
            <History
              load={() => api.checkpoints(threadId)}
              version={String(view.version)}
              look={look}
              goBack={works ? (commit) => void act(() => api.restore(threadId, commit)) : undefined}
            />
          )}
        </div>
      </section>
    </main>
  )
}

/** Who else is here; one's own further windows are nobody else. */
function People({ people, me }: { readonly people: readonly Present[]; readonly me: string }) {
  const others = [...new Set(people.map(({ name }) => name))].filter((name) => name !== me)
  if (others.length === 0) return people.length < 2 ? null : <span class="hint">Open in {people.length} windows</span>
  return (
    <span class="people" title={`Here now: you and ${others.join(', ')}`}>
      <span class="hidden">Here now: you and {others.join(', ')}</span>
      {others.slice(0, 5).map((name) => (
        <span key={name} aria-hidden="true" class="person">
          {visible(name).charAt(0).toUpperCase()}
        </span>
      ))}
    </span>
  )
}

/** Tells who hears the page and does not see it what has come last, once for each. */
function Said({ view }: { readonly view: ThreadView }) {
  const last = view.entries.findLast(({ kind }) => kind === 'ended' || kind === 'question' || kind === 'commit')
  return (
    <p class="hidden" role="status">
      {last === undefined ? '' : wordsOf(last)}
    </p>
  )
}

function wordsOf(entry: Entry): string {
  if (entry.kind === 'commit') return `Saved: ${entry.subject}`
  if (entry.kind === 'question') return `A question: ${entry.text}`
  if (entry.kind !== 'ended') return ''
  return entry.success ? 'Done.' : entry.code === 'interrupted' ? 'Stopped.' : `Not done: ${entry.text}`
}
