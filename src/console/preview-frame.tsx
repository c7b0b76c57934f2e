import { useEffect, useRef, useState } from 'preact/hooks'
import type { Preview } from './api.ts'
import { visible } from './text.ts'

interface Props {
  readonly preview: Preview | undefined
  /** A way in that holds for a while, where the preview is not open to everybody. */
  readonly link: (() => Promise<string>) | undefined
  readonly start: (() => void) | undefined
  /** Asks the agent to mend what is broken. */
  readonly mend: ((errors: readonly string[]) => void) | undefined
}

const SAYS = {
  preparing: 'The packages of the site are being installed. This is done once.',
  starting: 'The preview is starting …',
  failed: 'The preview does not start.',
  stopped: 'The preview is not running.',
} as const

/** The site of the thread. What it does stays in its frame: it is of another origin, and may not move this page. */
export function PreviewFrame({ preview, link, start, mend }: Props) {
  const frame = useRef<HTMLIFrameElement>(null)
  const [phone, setPhone] = useState(false)
  const [loads, setLoads] = useState(0)
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
  return (
    <>
      <div class="bar">
        <button onClick={() => setLoads(loads + 1)}>Reload</button>
        <div class="group" role="group" aria-label="Width">
          <button aria-pressed={!phone} onClick={() => setPhone(false)}>
            Desktop
          </button>
          <button aria-pressed={phone} onClick={() => setPhone(true)}>
            Phone
          </button>
        </div>
        <a class="address" href={entry ?? url} target="_blank" rel="noreferrer" title="Open in a tab of its own">
          {url.replace(/^https?:\/\//, '')} ↗
        </a>
      </div>
      {errors.length > 0 && (
        <div class="trouble" role="status">
          <p>
            <strong>{errors.length === 1 ? 'A page is broken.' : `${errors.length} things are broken.`}</strong>
          </p>
          <ul>
            {errors.slice(0, 5).map((error) => (
              <li key={error} class="plain">
                {visible(error)}
              </li>
            ))}
          </ul>
          {mend !== undefined && <button onClick={() => mend(errors)}>Have it mended</button>}
        </div>
      )}
      {entry !== undefined && (
        <div class="stage">
          <iframe
            key={loads}
            ref={frame}
            class={phone ? 'phone' : ''}
            title="Preview of the site"
            src={entry}
            sandbox="allow-scripts allow-same-origin allow-forms allow-popups allow-modals allow-downloads"
          />
        </div>
      )}
    </>
  )
}
