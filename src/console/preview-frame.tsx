import { useEffect, useRef, useState } from 'preact/hooks'
import type { Preview } from './answers.ts'
import type { Remark } from './draft.ts'
import { fromPage, placeOf, tellPage, type Picked } from './picked.ts'
import { RemarkBox } from './remark-box.tsx'
import { visible } from './text.ts'

/** A page that somebody wants to see; each wish is an object of its own. */
export interface Wanted {
  readonly path: string
}

interface Props {
  readonly preview: Preview | undefined
  /** What the thread stands at: a page that does not follow its sources is loaded anew when that changes. */
  readonly commit: string | undefined
  readonly wanted: Wanted | undefined
  /** A way in that holds for a while, where the preview is not open to everybody. */
  readonly link: (() => Promise<string>) | undefined
  readonly start: (() => void) | undefined
  /** Asks the agent to mend what is broken. */
  readonly mend: ((errors: readonly string[]) => void) | undefined
  readonly remark: ((remark: Remark) => void) | undefined
}

const SAYS = {
  preparing: 'The site is being made ready. Where its packages have to be installed, that is done once.',
  starting: 'The preview is starting …',
  failed: 'The preview does not start.',
  stopped: 'The preview is not running.',
} as const

/** The site of the thread, or why there is nothing to be seen. */
export function PreviewFrame({ preview, commit, wanted, link, start, mend, remark }: Props) {
  const url = preview?.url
  const [entry, setEntry] = useState(link === undefined ? url : undefined)
  useEffect(() => {
    if (url === undefined) return
    if (link === undefined) return setEntry(url)
    let over = false
    link().then(
      (made) => over || setEntry(made),
      () => over || setEntry(url),
    )
    return () => {
      over = true
    }
  }, [url])
  const stands = preview?.state
  useEffect(() => {
    if (stands === 'stopped' && url !== undefined) start?.() // whoever looks wants to see it
  }, [stands === 'stopped' && url !== undefined])
  if (preview === undefined) return <p class="nothing hint">One moment …</p>
  const { state, errors, why } = preview
  if ((state !== 'ready' && state !== 'broken') || url === undefined)
    return (
      <div class="nothing">
        <p role="status">
          {(state === 'preparing' || state === 'starting') && <span class="pulse" aria-hidden="true" />}
          {state === 'ready' || state === 'broken' ? 'There is no preview here.' : SAYS[state]}
        </p>
        {why !== undefined && <pre tabIndex={0}>{visible(why)}</pre>}
        <p class="acts">
          {(state === 'stopped' || state === 'failed') && start !== undefined && <button onClick={start}>Start the preview</button>}
          {state === 'failed' && why !== undefined && mend !== undefined && <button onClick={() => mend([why])}>Have it mended</button>}
        </p>
      </div>
    )
  if (entry === undefined) return <p class="nothing hint">One moment …</p>
  return <Frame url={url} entry={entry} commit={commit} wanted={wanted} errors={errors} mend={mend} remark={remark} />
}

interface FrameProps extends Pick<Props, 'commit' | 'wanted' | 'mend' | 'remark'> {
  readonly url: string
  /** Where the frame begins. */
  readonly entry: string
  readonly errors: readonly string[]
}

/** What the site does stays in its frame: it is of another origin, and may not move this page. What it says of itself is only shown. */
function Frame({ url, entry, commit, wanted, errors, mend, remark }: FrameProps) {
  const frame = useRef<HTMLIFrameElement>(null)
  const [phone, setPhone] = useState(false)
  /** What the frame was told to load, each time anew; where it is by now is another matter. */
  const [load, setLoad] = useState({ src: entry, times: 0 })
  const [at, setAt] = useState(url)
  const [thrown, setThrown] = useState<readonly string[]>([])
  const [picking, setPicking] = useState(false)
  const [picked, setPicked] = useState<Picked>()
  const origin = new URL(url).origin
  const follows = useRef(false)
  const isPicking = useRef(false)
  isPicking.current = picking
  useEffect(() => {
    const hear = (event: MessageEvent<unknown>): void => {
      const said = fromPage(event, frame.current?.contentWindow ?? null, origin)
      if (said === undefined) return
      if (said.kind === 'error') return setThrown((now) => (now.includes(said.text) ? now : [...now, said.text].slice(-5)))
      if (said.kind === 'at') {
        setAt(said.url)
        follows.current = said.follows
        return
      }
      if (said.kind === 'begins') {
        setThrown([])
        if (isPicking.current) pick(true)
        return
      }
      if (!isPicking.current) return // nobody has asked it to
      setPicking(false)
      if (said.kind === 'picked') setPicked(said)
    }
    addEventListener('message', hear)
    return () => removeEventListener('message', hear)
  }, [origin])
  const shown = useRef(commit)
  useEffect(() => {
    if (shown.current !== commit && !follows.current) reload(at)
    shown.current = commit
  }, [commit])
  const reload = (src: string): void => setLoad(({ times }) => ({ src, times: times + 1 }))
  const go = (path: string): void => {
    const to = URL.parse(path, url)
    if (to?.origin !== origin) return
    setAt(to.href)
    reload(to.href)
  }
  useEffect(() => {
    if (wanted !== undefined) go(wanted.path)
  }, [wanted])
  const pick = (on: boolean): void => {
    setPicking(on)
    const page = frame.current?.contentWindow
    if (page === null || page === undefined) return
    tellPage(page, origin, { branchline: 'pick', on })
    if (on) frame.current?.focus()
  }
  const broken = [...errors, ...thrown]
  return (
    <>
      <div class="bar">
        <button onClick={() => reload(at)}>Reload</button>
        <div class="group" role="group" aria-label="Width">
          <button aria-pressed={!phone} onClick={() => setPhone(false)}>
            Desktop
          </button>
          <button aria-pressed={phone} onClick={() => setPhone(true)}>
            Phone
          </button>
        </div>
        {remark !== undefined && (
          <button aria-pressed={picking} title="Choose something on the page, and say what should become of it" onClick={() => pick(!picking)}>
            Point at something
          </button>
        )}
        <form
          class="address"
          onSubmit={(event) => {
            event.preventDefault()
            const path = new FormData(event.currentTarget).get('path')
            if (typeof path === 'string') go(path)
          }}
        >
          <input
            key={at}
            type="text"
            name="path"
            aria-label="Page"
            title="The page that is shown; another one by its path and Enter"
            defaultValue={new URL(at).pathname}
          />
        </form>
        <a href={entry === url ? at : entry} target="_blank" rel="noreferrer">
          In a tab ↗
        </a>
      </div>
      {picked !== undefined && remark !== undefined && (
        <RemarkBox
          {...placeOf(picked)}
          add={(made) => {
            setPicked(undefined)
            remark(made)
          }}
          leave={() => setPicked(undefined)}
        />
      )}
      {broken.length > 0 && (
        <div class="trouble" role="status">
          <p class="grow">
            <strong>{broken.length === 1 ? 'Something is broken on this site.' : `${broken.length} things are broken on this site.`}</strong>
          </p>
          {mend !== undefined && <button onClick={() => mend(broken)}>Have it mended</button>}
          <ul>
            {broken.slice(0, 5).map((error) => (
              <li key={error} class="plain">
                {visible(error)}
              </li>
            ))}
          </ul>
        </div>
      )}
      <div class="stage">
        <iframe
          key={load.times}
          ref={frame}
          class={phone ? 'phone' : ''}
          title="Preview of the site"
          src={load.src}
          sandbox="allow-scripts allow-same-origin allow-forms allow-popups allow-modals allow-downloads"
        />
      </div>
    </>
  )
}
