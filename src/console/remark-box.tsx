import { useEffect, useRef, useState } from 'preact/hooks'
import type { Remark } from './draft.ts'
import { visible } from './text.ts'

interface Props {
  readonly where: string
  readonly quote: string
  readonly add: (remark: Remark) => void
  readonly leave: () => void
}

/** What is to be said about a place. It is sent with the next message. */
export function RemarkBox({ where, quote, add, leave }: Props) {
  const [text, setText] = useState('')
  const box = useRef<HTMLTextAreaElement>(null)
  useEffect(() => box.current?.focus(), [])
  const done = (): void => {
    if (text.trim() !== '') add({ where, quote, text: text.trim() })
  }
  return (
    <form
      class="remark"
      onSubmit={(event) => {
        event.preventDefault()
        done()
      }}
    >
      <label>
        About <code>{where}</code> <span class="hint">{visible(quote.trim().slice(0, 120))}</span>
        <textarea
          rows={2}
          value={text}
          ref={box}
          onInput={(event) => setText(event.currentTarget.value)}
          onKeyDown={(event) => {
            if (event.key === 'Escape') leave()
            if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return
            event.preventDefault()
            done()
          }}
        />
      </label>
      <p class="acts">
        <button class="main">Add to the message</button>
        <button type="button" onClick={leave}>
          Cancel
        </button>
      </p>
    </form>
  )
}
