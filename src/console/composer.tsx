import { useEffect, useRef, useState } from 'preact/hooks'
import type { Delivery, Wish } from './api.ts'
import { instructionOf, type Draft } from './draft.ts'
import type { Attachment } from '../command/command.ts'
import { attachmentOf, imageOf, together } from './attachments.ts'

interface Props {
  readonly draft: Draft
  readonly write: (change: Partial<Draft>) => void
  readonly running: boolean
  readonly send: (wish: Wish) => Promise<boolean>
  readonly stop: (() => void) | undefined
  readonly tell: (problem: string) => void
}

const DELIVERIES: readonly Delivery[] = ['interrupt', 'queue', 'steer']
const NAMES = { interrupt: 'Interrupt', queue: 'Queue', steer: 'Tell while it works' } as const
/** Fingers have no Shift+Enter; and a box that is focused brings the keyboard up. */
const byTouch = (): boolean => matchMedia('(pointer: coarse)').matches
const ENTER = {
  interrupt: 'Enter stops what runs, saves it, and does this',
  queue: 'Enter puts this behind what runs',
  steer: 'Enter tells this to the agent while it goes on',
} as const

/** The message box. It is never closed, and says what Enter will do. */
export function Composer({ draft, write, running, send, stop, tell }: Props) {
  const [delivery, setDelivery] = useState<Delivery>('interrupt')
  const [plan, setPlan] = useState(false)
  const [attachments, setAttachments] = useState<readonly Attachment[]>([])
  const [over, setOver] = useState(false)
  const sending = useRef(false)
  const latest = useRef(draft)
  latest.current = draft
  const chooser = useRef<HTMLInputElement>(null)
  const message = useRef<HTMLTextAreaElement>(null)
  useEffect(() => {
    if (!byTouch()) message.current?.focus()
  }, [])
  useEffect(() => {
    if (!running) setDelivery('interrupt') // for the next run nobody has chosen yet
  }, [running])
  const add = async (files: readonly File[]): Promise<void> => {
    const read = await Promise.allSettled(files.map(attachmentOf))
    const [now, problems] = together(attachments, read)
    setAttachments(now)
    if (problems.length > 0) tell(problems.join(' '))
  }
  const submit = async (): Promise<void> => {
    const instruction = instructionOf(draft)
    if (instruction === '' && attachments.length > 0) return tell('Say what should become of the files.')
    if (instruction === '' || sending.current) return
    const [sent, files] = [draft, attachments]
    sending.current = true
    const accepted = await send({ instruction, delivery: running ? delivery : 'interrupt', mode: plan ? 'plan' : 'execute', attachments: files })
    sending.current = false
    if (!accepted) return
    // What was written while it was on its way stays.
    const { text, remarks } = latest.current
    write({
      text: text.startsWith(sent.text) ? text.slice(sent.text.length).trimStart() : text,
      remarks: remarks.filter((each) => !sent.remarks.includes(each)),
    })
    setAttachments((now) => now.filter((each) => !files.includes(each)))
    setPlan(false)
  }
  return (
    <form
      class={`composer ${over ? 'over' : ''}`}
      onSubmit={(event) => {
        event.preventDefault()
        void submit()
      }}
      onDragOver={(event) => {
        event.preventDefault()
        setOver(true)
      }}
      onDragLeave={() => setOver(false)}
      onDrop={(event) => {
        event.preventDefault()
        setOver(false)
        void add([...(event.dataTransfer?.files ?? [])])
      }}
    >
      {draft.remarks.length > 0 && (
        <ul class="chips" aria-label="Remarks">
          {draft.remarks.map((remark, at) => (
            <li key={`${remark.where} ${at}`}>
              <span>
                <code>{remark.where}</code> {remark.text}
              </span>
              <button type="button" aria-label={`Remove the remark on ${remark.where}`} onClick={() => write({ remarks: draft.remarks.toSpliced(at, 1) })}>
                ×
              </button>
            </li>
          ))}
        </ul>
      )}
      {attachments.length > 0 && (
        <ul class="chips" aria-label="Files">
          {attachments.map((file, at) => (
            <li key={`${file.name} ${at}`}>
              {imageOf(file) === undefined ? <span>{file.name}</span> : <img src={imageOf(file)} alt={file.name} />}
              <button type="button" aria-label={`Remove ${file.name}`} onClick={() => setAttachments(attachments.toSpliced(at, 1))}>
                ×
              </button>
            </li>
          ))}
        </ul>
      )}
      <label class="hidden" for="message">
        Message
      </label>
      <textarea
        id="message"
        ref={message}
        rows={2}
        value={draft.text}
        placeholder={plan ? 'What should be planned?' : 'Say what should change'}
        aria-describedby="enter"
        onInput={(event) => write({ text: event.currentTarget.value })}
        onPaste={(event) => {
          const files = [...(event.clipboardData?.files ?? [])]
          if (files.length === 0) return
          event.preventDefault()
          void add(files)
        }}
        onKeyDown={(event) => {
          if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return
          event.preventDefault()
          void submit()
        }}
      />
      <div class="row">
        <input
          ref={chooser}
          type="file"
          multiple
          hidden
          onChange={({ currentTarget }) => {
            void add([...(currentTarget.files ?? [])])
            currentTarget.value = ''
          }}
        />
        <button type="button" title="Add files; they can be pasted and dropped here too" onClick={() => chooser.current?.click()}>
          Add files
        </button>
        <label class="check">
          <input type="checkbox" checked={plan} onChange={(event) => setPlan(event.currentTarget.checked)} /> Plan first
        </label>
        <span class="grow" />
        {running && stop !== undefined && (
          <button type="button" onClick={stop}>
            Stop
          </button>
        )}
        <button class="main">Send</button>
      </div>
      <p class="hint enter">
        {running && (
          <select
            aria-label="What Enter does"
            value={delivery}
            onChange={({ currentTarget: { value } }) => setDelivery(DELIVERIES.find((each) => each === value) ?? 'interrupt')}
          >
            {DELIVERIES.map((each) => (
              <option key={each} value={each}>
                {NAMES[each]}
              </option>
            ))}
          </select>
        )}
        <span id="enter">
          {running
            ? ENTER[delivery]
            : plan
              ? 'Enter asks for a plan; nothing is changed'
              : byTouch()
                ? 'Enter sends'
                : 'Enter sends, Shift+Enter begins a new line'}
        </span>
      </p>
    </form>
  )
}
