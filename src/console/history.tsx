import { useState } from 'preact/hooks'
import type { Checkpoints } from './answers.ts'
import type { Compared } from './side.tsx'
import { useLoaded } from './use-loaded.ts'
import { ago, visible } from './text.ts'

interface Props {
  readonly load: () => Promise<Checkpoints>
  /** Whenever it is another one, the history is asked for anew. */
  readonly version: string
  /** Shows what a checkpoint changed: what lies between two commits. */
  readonly compare: (what: Compared) => void
  readonly goBack: ((commit: string) => void) | undefined
}

/** Every state that the thread has been in. Looking at one changes nothing; going back makes a new commit, and takes the conversation back too. */
export function History({ load, version, compare, goBack }: Props) {
  const { value: known, problem } = useLoaded(load, version)
  const [sure, setSure] = useState<string>()
  if (known === undefined) return <p class="nothing hint">{problem ?? 'One moment …'}</p>
  const { base, checkpoints } = known
  if (base === undefined || checkpoints.length === 0) return <p class="nothing">Nothing is saved yet. Each message that changes something adds a state here.</p>
  const states: readonly { readonly commit: string; readonly subject: string; readonly at: string }[] = [
    { commit: base, subject: 'Where the thread began', at: checkpoints[0]?.at ?? '' },
    ...checkpoints,
  ]
  const now = states.at(-1)
  return (
    <div class="history">
      <p class="hint">
        Looking at what a state changed, and comparing it, changes nothing. Going back adds a new state, so nothing is lost; the conversation goes back with it.
      </p>
      <ol>
        {states.toReversed().map((state, at) => {
          const before = states.at(-2 - at)
          const isNow = state === now
          return (
            <li key={state.commit}>
              <p>
                {visible(state.subject)} <span class="hint">{isNow ? 'as it is now' : ago(state.at, Date.now())}</span>
              </p>
              <p class="acts">
                {before !== undefined && (
                  <button onClick={() => compare({ from: before.commit, to: state.commit, title: state.subject })}>What it changed</button>
                )}
                {!isNow && now !== undefined && (
                  <button onClick={() => compare({ from: state.commit, to: now.commit, title: `From “${state.subject}” to now` })}>Compare with now</button>
                )}
                {!isNow && goBack !== undefined && sure !== state.commit && <button onClick={() => setSure(state.commit)}>Go back to it</button>}
                {sure === state.commit && goBack !== undefined && (
                  <>
                    <button onClick={() => setSure(undefined)}>No</button>
                    <button
                      class="main"
                      onClick={() => {
                        setSure(undefined)
                        goBack(state.commit)
                      }}
                    >
                      Yes, go back
                    </button>
                  </>
                )}
              </p>
            </li>
          )
        })}
      </ol>
    </div>
  )
}
