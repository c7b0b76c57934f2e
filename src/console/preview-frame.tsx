import { useState } from 'preact/hooks'
import type { Preview } from './api.ts'

interface Props {
  readonly preview: Preview | undefined
  readonly start: (() => void) | undefined
}

const SAYS = {
  preparing: 'The packages of the site are being installed …',
  starting: 'The preview is starting …',
  failed: 'The preview does not start.',
  stopped: 'The preview is not running.',
} as const

/** The site of the thread. What it does stays in its frame: it is of another origin, and may not move this page. */
export function PreviewFrame({ preview, start }: Props) {
  const [phone, setPhone] = useState(false)
  const [loads, setLoads] = useState(0)
  if (preview === undefined) return <p class="hint">…</p>
  const { state, url, errors, why } = preview
  if ((state !== 'ready' && state !== 'broken') || url === undefined)
    return (
      <div class="nothing">
        <p role="status">{state === 'ready' || state === 'broken' ? 'There is no preview here.' : SAYS[state]}</p>
        {why !== undefined && <pre>{why}</pre>}
        {(state === 'stopped' || state === 'failed') && start !== undefined && <button onClick={start}>Start the preview</button>}
      </div>
    )
  return (
    <>
      <div class="address">
        <button onClick={() => setLoads(loads + 1)}>Reload</button>
        <button aria-pressed={phone} onClick={() => setPhone(!phone)}>
          Phone
        </button>
        <a href={url} target="_blank" rel="noreferrer">
          {url}
        </a>
      </div>
      {errors.length > 0 && (
        <ul class="wrong" role="status">
          {errors.map((error) => (
            <li key={error}>{error}</li>
          ))}
        </ul>
      )}
      <iframe
        key={loads}
        class={phone ? 'phone' : ''}
        title="Preview of the site"
        src={url}
        sandbox="allow-scripts allow-same-origin allow-forms allow-popups allow-modals allow-downloads"
      />
    </>
  )
}
