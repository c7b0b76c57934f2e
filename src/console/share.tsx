import { useRef, useState } from 'preact/hooks'
import type { Api } from './api.ts'
import { told } from './request.ts'

interface Props {
  readonly api: Api
  readonly threadId: string
}

/** Lets others in: a link to this thread, in a role, for a while. */
export function Share({ api, threadId }: Props) {
  const dialog = useRef<HTMLDialogElement>(null)
  const [role, setRole] = useState<'view' | 'work'>('view')
  const [name, setName] = useState('')
  const [days, setDays] = useState(7)
  const [made, setMade] = useState<string>()
  const [says, setSays] = useState<string>()
  const make = async (): Promise<void> => {
    try {
      setMade(await api.share(threadId, { role, minutes: days * 24 * 60, ...(name.trim() === '' ? {} : { name: name.trim() }) }))
      setSays(undefined)
    } catch (error) {
      setSays(told(error))
    }
  }
  /** A link that was made says what was chosen then. */
  const anew = (choose: () => void): void => {
    choose()
    setMade(undefined)
  }
  const copy = async (): Promise<void> => {
    try {
      await navigator.clipboard.writeText(made ?? '')
      setSays('Copied.')
    } catch {
      setSays('Select the link and copy it.') // browsers give programs no clipboard over plain http
    }
  }
  return (
    <>
      <button
        onClick={() => {
          setMade(undefined)
          setSays(undefined)
          setRole('view')
          setName('')
          dialog.current?.showModal()
        }}
      >
        Share
      </button>
      <dialog ref={dialog} aria-labelledby="share" {...{ closedby: 'any' }}>
        <h2 id="share">Share this thread</h2>
        {api.me.open && <p>No token is needed here, so whoever reaches this machine may do everything anyway.</p>}
        <form
          onSubmit={(event) => {
            event.preventDefault()
            void make()
          }}
        >
          {!api.me.open && (
            <>
              <p>
                <label>
                  For whom (others see this name){' '}
                  <input type="text" maxLength={60} value={name} onInput={(event) => anew(() => setName(event.currentTarget.value))} />
                </label>
              </p>
              <p class="acts">
                <label>
                  They may{' '}
                  <select value={role} onChange={(event) => anew(() => setRole(event.currentTarget.value === 'work' ? 'work' : 'view'))}>
                    <option value="view">look</option>
                    <option value="work">work in it</option>
                  </select>
                </label>
                <label>
                  for{' '}
                  <select value={days} onChange={(event) => anew(() => setDays(Number(event.currentTarget.value)))}>
                    <option value={1}>a day</option>
                    <option value={7}>a week</option>
                    <option value={30}>30 days</option>
                  </select>
                </label>
              </p>
            </>
          )}
          {made === undefined ? (
            <p class="acts">
              <button class="main">Make a link</button>
            </p>
          ) : (
            <p class="acts">
              <input type="text" readOnly aria-label="The link" value={made} onFocus={(event) => event.currentTarget.select()} />
              <button type="button" class="main" onClick={() => void copy()}>
                Copy
              </button>
            </p>
          )}
          {made !== undefined && /^https?:\/\/(?:localhost|127\.)/.test(made) && (
            <p class="hint">It leads to this machine, so it works on this machine alone. For people elsewhere set PUBLIC_URL to where they reach it.</p>
          )}
          {says !== undefined && <p role="status">{says}</p>}
        </form>
        <form method="dialog" class="acts">
          <button>Close</button>
        </form>
      </dialog>
    </>
  )
}
