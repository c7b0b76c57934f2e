import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks'
import { EntryRow, type Acts } from './entry.tsx'
import { shownIn, type ThreadView } from './thread-view.ts'
import { useWindow } from './use-window.ts'

interface Props {
  readonly view: ThreadView
  readonly acts: Acts
}

/** Nearer than this to the end, in px, it follows what comes. */
const NEAR_PX = 80
/** How high a row is thought to be until it has been measured. */
const [TOOL_PX, ROW_PX] = [27, 40]
/** Rounding of positions, in px. */
const AT_END_PX = 2

/** What was said and done. All of it is shown as text, whatever it holds. Who scrolls up is left in peace. */
export function Chat({ view, acts }: Props) {
  const scroller = useRef<HTMLDivElement>(null)
  const opened = useRef(new Set<string>())
  const [follows, setFollows] = useState(true)
  const top = useRef(0)
  const entries = shownIn(view)
  const rows = useWindow(
    scroller,
    entries.length,
    (at) => entries[at]?.key ?? String(at),
    (at) => (entries[at]?.kind === 'tool' ? TOOL_PX : ROW_PX),
  )
  const toEnd = (): void => scroller.current?.scrollTo({ top: scroller.current.scrollHeight })
  useLayoutEffect(() => {
    if (follows) toEnd()
  })
  useEffect(() => {
    if (scroller.current === null || !follows) return
    const watch = new ResizeObserver(toEnd) // the message box grows and shrinks below
    watch.observe(scroller.current)
    return () => watch.disconnect()
  }, [follows])
  const lastCommit = entries.findLast(({ kind }) => kind === 'commit')?.key
  const lastMessage = entries.findLastIndex(({ kind }) => kind === 'message')
  const items = rows.getVirtualItems()
  return (
    <div class="chat">
      <div
        class="scroller"
        ref={scroller}
        tabIndex={0}
        role="region"
        aria-label="Messages"
        onKeyDown={(event) => {
          // Browsers go there smoothly, and stop where rows turn out to be of another height than was thought.
          if (event.target !== event.currentTarget || (event.key !== 'Home' && event.key !== 'End')) return
          event.preventDefault()
          if (event.key === 'End') toEnd()
          else scroller.current?.scrollTo({ top: 0 })
        }}
        onScroll={({ currentTarget: { scrollTop, scrollHeight, clientHeight } }) => {
          const left = scrollHeight - scrollTop - clientHeight
          // However little somebody scrolls up: whoever reads is not pulled away.
          if (scrollTop < top.current && left > AT_END_PX) setFollows(false)
          else if (left < NEAR_PX && scrollTop >= top.current) setFollows(true)
          top.current = scrollTop
        }}
      >
        <ol class="entries" style={{ height: `${rows.getTotalSize()}px` }}>
          {items.map(({ index, key, start }) => {
            const entry = entries[index]
            return (
              entry !== undefined && (
                <li
                  key={key}
                  class={`entry ${entry.kind}`}
                  data-index={index}
                  aria-posinset={index + 1}
                  aria-setsize={entries.length}
                  ref={(row: HTMLLIElement | null) => rows.measureElement(row)}
                  style={{ transform: `translateY(${start}px)` }}
                >
                  <EntryRow
                    entry={entry}
                    before={entries[index - 1]}
                    isOpen={index > lastMessage}
                    mayUndo={entry.key === lastCommit && view.running === undefined && acts.undo !== undefined}
                    opened={opened.current}
                    acts={acts}
                  />
                </li>
              )
            )
          })}
        </ol>
        {view.running !== undefined && <Working view={view} />}
      </div>
      {!follows && (
        <button class="latest" onClick={toEnd}>
          ↓ Latest
        </button>
      )}
    </div>
  )
}

/** What goes on just now: the agent's own list of steps, and words where there are any. */
const Working = ({ view: { plan, progress } }: { readonly view: ThreadView }) => (
  <div class="working">
    {plan.length > 0 && (
      <ul class="steps" aria-label="Steps">
        {plan.map(({ text, state }) => (
          <li key={text} class={state}>
            <span aria-hidden="true">{state === 'completed' ? '✓' : state === 'in_progress' ? '›' : '·'}</span> {text}
            <span class="hidden"> ({state.replace('_', ' ')})</span>
          </li>
        ))}
      </ul>
    )}
    <p>
      <span class="pulse" aria-hidden="true" />
      {progress ?? (plan.length > 0 ? `${plan.filter(({ state }) => state === 'completed').length} of ${plan.length} steps done` : 'Working …')}
    </p>
  </div>
)
