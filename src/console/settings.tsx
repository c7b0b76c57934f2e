import type { RefObject } from 'preact'
import { useEffect, useState } from 'preact/hooks'
import type { Costs, Tokens, ThreadSummary } from './answers.ts'
import type { Api } from './api.ts'
import { told } from './request.ts'
import { chooseProject, chosenProject } from './project.ts'
import { money, titleOf } from './text.ts'

interface Props {
  readonly dialog: RefObject<HTMLDialogElement | null>
  readonly api: Api
  readonly signOut: (() => void) | undefined
}

const THEMES = { '': 'Like the system', light: 'Light', dark: 'Dark' } as const
const THEME = 'branchline theme'

/** What this browser was told to look like. */
export function applyTheme(): void {
  const theme = localStorage.getItem(THEME) ?? ''
  if (theme === '') delete document.documentElement.dataset['theme']
  else document.documentElement.dataset['theme'] = theme
}

const ROLES = { view: 'may look', work: 'may work', administer: 'may do everything' } as const

/** Who one is here, how it looks, and what was spent. */
export function Settings({ dialog, api, signOut }: Props) {
  const [costs, setCosts] = useState<Costs>()
  const [threads, setThreads] = useState<readonly ThreadSummary[]>([])
  const [problem, setProblem] = useState<string>()
  const [theme, setTheme] = useState(localStorage.getItem(THEME) ?? '')
  useEffect(() => {
    const shown = dialog.current
    if (shown === null) return
    const load = (): void => {
      if (!shown.open || api.me.threadId !== undefined) return
      void api.costs().then(setCosts, () => {}) // shown the next time
      void api.threads().then(setThreads, () => {})
    }
    const watch = new MutationObserver(load)
    watch.observe(shown, { attributeFilter: ['open'] })
    return () => watch.disconnect()
  }, [api])
  const choose = (name: string): void => {
    localStorage.setItem(THEME, name)
    setTheme(name)
    applyTheme()
  }
  const { me } = api
  return (
    <dialog ref={dialog} aria-labelledby="settings" {...{ closedby: 'any' }}>
      <h2 id="settings">Settings and cost</h2>
      <p>
        {me.open
          ? 'Everybody on this machine may do everything here; no token is asked for.'
          : `You ${me.name === 'API_TOKEN' ? 'have the main token' : `are ${me.name}`} and ${ROLES[me.role]}.`}
        {signOut !== undefined && (
          <>
            {' '}
            <button onClick={signOut}>Sign out</button>
          </>
        )}
      </p>
      {me.projectChosen && chosenProject() !== undefined && (
        <p>
          You work in the project {me.projectId}. <button onClick={() => chooseProject(undefined)}>Back to the first one</button>
        </p>
      )}
      <p>
        <label>
          Colours{' '}
          <select value={theme} onChange={(event) => choose(event.currentTarget.value)}>
            {Object.entries(THEMES).map(([name, words]) => (
              <option key={name} value={name}>
                {words}
              </option>
            ))}
          </select>
        </label>
      </p>
      {me.keyWanted && !me.simulated && (
        <p>
          A key of a model was entered here.{' '}
          <button
            onClick={() =>
              void api.forgetKey().then(
                () => location.reload(),
                (error: unknown) => setProblem(told(error)),
              )
            }
          >
            Forget it
          </button>
        </p>
      )}
      {problem !== undefined && (
        <p class="wrong" role="alert">
          {problem}
        </p>
      )}
      {costs !== undefined && <Spent costs={costs} threads={threads} simulated={me.simulated} />}
      <form method="dialog" class="acts">
        <button class="main">Close</button>
      </form>
    </dialog>
  )
}

const TOKENS = new Intl.NumberFormat('en', { notation: 'compact' })
const sum = ({ input, output, cacheRead, cacheWrite }: Tokens): number => input + output + cacheRead + cacheWrite

interface SpentProps {
  readonly costs: Costs
  readonly threads: readonly ThreadSummary[]
  readonly simulated: boolean
}

function Spent({ costs: { days, limits }, threads, simulated }: SpentProps) {
  const bounds = [
    [limits.commandUsd, 'a message'],
    [limits.threadUsd, 'a thread'],
    [limits.dayUsd, 'a day'],
  ].flatMap(([usd, what]) => (typeof usd === 'number' ? [`${money(usd)} for ${what}`] : []))
  const dear = threads.filter(({ costUsd }) => costUsd > 0).toSorted((a, b) => b.costUsd - a.costUsd)
  return (
    <>
      <h3>Spent</h3>
      {simulated && <p>This is the demo: no model is asked, so it costs nothing.</p>}
      <p class="hint">{bounds.length === 0 ? 'No limit is set.' : `At most ${bounds.join(', ')}.`}</p>
      {days.some(({ costUsd }) => costUsd > 0) && (
        <table>
          <thead>
            <tr>
              <th>Day (UTC)</th>
              <th>Cost</th>
              <th>Tokens</th>
              <th>Requests</th>
            </tr>
          </thead>
          <tbody>
            {days.map(({ day, costUsd, tokens, requests }) => (
              <tr key={day}>
                <td>{day}</td>
                <td>{money(costUsd)}</td>
                <td>{TOKENS.format(sum(tokens))}</td>
                <td>{requests}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      {dear.length > 0 && (
        <table>
          <thead>
            <tr>
              <th>Thread</th>
              <th>Cost</th>
            </tr>
          </thead>
          <tbody>
            {dear.slice(0, 10).map(({ threadId, costUsd }) => (
              <tr key={threadId}>
                <td>{titleOf(threadId)}</td>
                <td>{money(costUsd)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      {!simulated && days.length === 0 && <p>Nothing yet.</p>}
    </>
  )
}
