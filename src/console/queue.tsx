import { visible } from './text.ts'
import type { Message } from './thread-view.ts'

interface Props {
  readonly waiting: readonly Message[]
  readonly acts:
    | { readonly edit: (message: Message) => void; readonly remove: (message: Message) => void; readonly now: (message: Message) => void }
    | undefined
}

/** Messages that wait for their turn. */
export function Queue({ waiting, acts }: Props) {
  if (waiting.length === 0) return null
  return (
    <section class="queue" aria-label="Waiting messages">
      <h2>Next</h2>
      <ol>
        {waiting.map((message, at) => (
          <li key={message.commandId}>
            <span class="text">{message.text === '' ? message.type : visible(message.text)}</span>
            {acts !== undefined && (
              <span class="acts">
                {message.type === 'edit' && at === 0 && <button onClick={() => acts.now(message)}>Send now</button>}
                {message.type === 'edit' && <button onClick={() => acts.edit(message)}>Edit</button>}
                <button onClick={() => acts.remove(message)}>Delete</button>
              </span>
            )}
          </li>
        ))}
      </ol>
    </section>
  )
}
