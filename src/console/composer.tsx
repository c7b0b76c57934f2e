import { useState } from 'preact/hooks'

interface Props {
  /** Under which name the draft is kept, in this browser. */
  readonly draft: string
  readonly running: boolean
  readonly send: (text: string, delivery: 'interrupt' | 'queue' | 'steer', mode: 'execute' | 'plan') => Promise<boolean>
  readonly stop: (() => void) | undefined
}

const ENTER = {
  interrupt: 'Enter interrupts what runs and sends this',
  queue: 'Enter sends this when what runs is done',
  steer: 'Enter tells this to the agent while it works',
} as const

/** The message box. It is never closed, and says what Enter will do. A draft outlives the tab. */
export function Composer({ draft, running, send, stop }: Props) {
  const kept = `branchline draft ${draft}`
  const [text, setText] = useState(() => localStorage.getItem(kept) ?? '')
  const [delivery, setDelivery] = useState<keyof typeof ENTER>('interrupt')
  const [plan, setPlan] = useState(false)
  const write = (now: string): void => {
    setText(now)
    if (now === '') localStorage.removeItem(kept)
    else localStorage.setItem(kept, now)
  }
  const submit = async (): Promise<void> => {
    const sent = text
    if (sent.trim() === '') return
    write('')
    if (!(await send(sent, running ? delivery : 'interrupt', plan ? 'plan' : 'execute'))) write(sent)
  }
  return (
    <form
      class="composer"
      onSubmit={(event) => {
        event.preventDefault()
        void submit()
      }}
    >
      <label class="hidden" for="message">
        Message
      </label>
      <textarea
        id="message"
        rows={2}
        value={text}
        placeholder="Say what should change"
        aria-describedby="enter"
        onInput={(event) => write(event.currentTarget.value)}
        onKeyDown={(event) => {
          if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return
          event.preventDefault()
          void submit()
        }}
      />
      <div class="row">
        <span id="enter" class="hint">
          {running ? ENTER[delivery] : 'Enter sends, Shift+Enter makes a new line'}
        </span>
        {running && (
          <select aria-label="What Enter does" value={delivery} onChange={(event) => setDelivery(event.currentTarget.value as keyof typeof ENTER)}>
            <option value="interrupt">Interrupt</option>
            <option value="queue">Queue</option>
            <option value="steer">Steer</option>
          </select>
        )}
        <label class="check">
          <input type="checkbox" checked={plan} onChange={(event) => setPlan(event.currentTarget.checked)} /> Plan only
        </label>
        {running && stop !== undefined && (
          <button type="button" onClick={stop}>
            Stop
          </button>
        )}
        <button class="main">Send</button>
      </div>
    </form>
  )
}
