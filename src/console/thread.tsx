import { useEffect, useRef, useState } from 'preact/hooks'
import type { Api, Wish } from './api.ts'
import { freshId, told } from './request.ts'
import { Chat } from './chat.tsx'
import { Composer } from './composer.tsx'
import { useDraft } from './draft.ts'
import { People, Said } from './people.tsx'
import type { Wanted } from './preview-frame.tsx'
import { keepRepository, keptRepository } from './project.ts'
import { Propose } from './propose.tsx'
import { Queue } from './queue.tsx'
import { RepositoryField } from './repository.tsx'
import { Share } from './share.tsx'
import { Side, type Compared, type Tab } from './side.tsx'
import { money, newName, titleOf } from './text.ts'
import { waitingIn, type Message } from './thread-view.ts'
import { useThread } from './use-thread.ts'
import { Welcome } from './welcome.tsx'

interface Props {
  readonly api: Api
  readonly threadId: string | undefined
  readonly begun: (threadId: string) => void
  /** A run has begun or ended. */
  readonly moved: () => void
  /** Opens the list of threads, where it is not beside this. */
  readonly showList: () => void
}

/** One thread: what was said and done, what comes next, and the site beside it. */
export function Thread({ api, threadId, begun, moved, showList }: Props) {
  const [problem, setProblem] = useState<string>()
  const { view, status, people, connected } = useThread(api, threadId, setProblem)
  const [tab, setTab] = useState<Tab>('preview')
  const [compared, setCompared] = useState<Compared>()
  const [wanted, setWanted] = useState<Wanted>()
  const [facing, setFacing] = useState<'talk' | 'site'>('talk')
  const [draft, write] = useDraft(threadId ?? '')
  const [repository, setRepository] = useState(api.me.repository)
  const [repoUrl, setRepoUrl] = useState(keptRepository)
  const running = view.running !== undefined

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
  /** The last message that may not have arrived: sent once more, it is the same one. */
  const unsure = useRef<{ readonly text: string; readonly commandId: string; readonly threadId: string }>(undefined)
  const send = (wish: Wish): Promise<boolean> =>
    act(async () => {
      const text = JSON.stringify(wish)
      if (unsure.current?.text !== text) unsure.current = { text, commandId: freshId(), threadId: threadId ?? newName(wish.instruction) }
      const sent = unsure.current
      await api.send(sent.threadId, sent.commandId, { ...wish, repoUrl: repository.begun || repoUrl.trim() === '' ? undefined : repoUrl.trim() })
      unsure.current = undefined
      if (threadId === undefined) begun(sent.threadId)
    })
  const say = (instruction: string): void => void send({ instruction, delivery: running ? 'queue' : 'interrupt', mode: 'execute', attachments: [] })
  const enterRepository = (url: string): void => {
    setRepoUrl(url)
    keepRepository(url)
  }
  const show = (which: Tab): void => {
    setTab(which)
    setFacing('site')
  }
  const compare = (what: Compared | undefined): void => {
    setCompared(what)
    show('changes')
  }
  /** Shows what one commit has changed. */
  const look = (commit: string): void =>
    void act(async () => {
      const { base, checkpoints } = await api.checkpoints(threadId ?? '')
      const at = checkpoints.findIndex((each) => each.commit === commit)
      const from = checkpoints[at - 1]?.commit ?? base
      if (from !== undefined) compare({ from, to: commit, title: checkpoints[at]?.subject ?? '' })
    })
  const open = (path: string): void => {
    setWanted({ path })
    show('preview')
  }
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
            undo: api.works && status?.changedFiles.length !== 0 ? () => void act(() => api.act(threadId, 'undo')) : undefined,
            send: api.works ? say : undefined,
            carryOut: api.works ? () => say('Do what you have just planned.') : undefined,
            look,
            open,
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
      {threadId !== undefined && api.works && !repository.begun && !running && view.entries.some(({ kind }) => kind === 'ended') && (
        <RepositoryField url={repoUrl} setUrl={enterRepository} />
      )}
      <Queue
        waiting={waitingIn(view)}
        acts={
          api.works
            ? {
                edit,
                remove: ({ commandId }) => void act(() => api.withdraw(commandId)),
                now: ({ commandId }) => void act(() => api.hurry(commandId)),
              }
            : undefined
        }
      />
      {api.works ? (
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
  const cost = view.costUsd ?? status?.costUsd ?? 0
  return (
    <main class={threadId === undefined ? 'thread' : `thread facing-${facing}`}>
      <header class="top">
        <button class="only-narrow" onClick={showList}>
          Threads
        </button>
        {threadId !== undefined && (
          <>
            <h1 title={threadId}>{titleOf(threadId)}</h1>
            {cost > 0 && (
              <span class="hint" title="What this thread has cost by now">
                {money(cost)}
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
            {api.works && api.me.threadId === undefined && <Share api={api} threadId={threadId} />}
            {api.works && <Propose api={api} threadId={threadId} status={status} act={act} />}
          </>
        )}
      </header>
      {talk}
      {threadId !== undefined && (
        <Side
          api={api}
          threadId={threadId}
          status={status}
          version={view.version}
          tab={tab}
          choose={setTab}
          wanted={wanted}
          compared={compared}
          compare={compare}
          acts={
            api.works
              ? {
                  start: () => void act(() => api.act(threadId, 'preview/start')),
                  mend: (errors) => say(`The preview shows this:\n\n${errors.join('\n\n')}\n\nFind the cause and mend it.`),
                  remark: (made) => write({ remarks: [...draft.remarks, made] }),
                  goBack: (commit) => void act(() => api.restore(threadId, commit)),
                }
              : undefined
          }
        />
      )}
    </main>
  )
}
