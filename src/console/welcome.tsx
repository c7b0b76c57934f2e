import { useState } from 'preact/hooks'
import type { Me } from './answers.ts'
import type { Api } from './api.ts'
import { told } from './request.ts'
import { RepositoryField } from './repository.tsx'

interface Props {
  readonly api: Api
  readonly repository: Me['repository']
  readonly repoUrl: string
  readonly setRepoUrl: (url: string) => void
  /** Puts an example into the message box. */
  readonly propose: (text: string) => void
}

const SCRIPTED = ['replace Fresh bread with Warm bread in src/pages/index.astro', 'write src/pages/hello.astro: <h1>Hello</h1>']
const FREE = [
  'Make the headline of the home page friendlier',
  'Add a page about us, in the style of the others',
  'The page is hard to read on a phone. Mend that.',
]

/** A new thread: what is missing here, and what can be asked for. */
export function Welcome({ api, repository, repoUrl, setRepoUrl, propose }: Props) {
  const { me } = api
  const examples = me.simulated ? SCRIPTED : FREE
  return (
    <div class="welcome">
      <h1>What should change?</h1>
      <p>
        {me.simulated ? 'Choose an example to begin with, or write one like it.' : 'Write it in your own words.'} It is done on a branch of its own, and you see
        it in a live preview; your site stays as it is until you say so.
      </p>
      {api.works && (
        <p class="acts">
          {examples.map((each) => (
            <button key={each} class="example" onClick={() => propose(each)}>
              {each}
            </button>
          ))}
        </p>
      )}
      {me.simulated && (
        <div class="note">
          <p>
            <strong>This is a demo without a model.</strong> Claude Code is the real one, but a script answers it, which follows plain instructions like the
            ones above.
          </p>
          {me.keyWanted ? (
            <KeyForm api={api} />
          ) : (
            <>
              <p>For a real one the service is started with a key:</p>
              <pre tabIndex={0}>ANTHROPIC_API_KEY=sk-ant-… npm start</pre>
            </>
          )}
        </div>
      )}
      {repository.url !== undefined && (
        <p class="hint works-on">
          New threads begin from <code>{repository.url}</code>.
        </p>
      )}
      {!repository.begun && api.works && <RepositoryField url={repoUrl} setUrl={setRepoUrl} />}
      {repository.begun && repository.url === undefined && <p class="hint works-on">New threads begin from the example site.</p>}
    </div>
  )
}

/** The key of the model is given here and never shown again. */
function KeyForm({ api }: { readonly api: Api }) {
  const [key, setKey] = useState('')
  const [says, setSays] = useState<string>()
  const enter = async (): Promise<void> => {
    setSays('Trying it …')
    try {
      await api.enterKey(key.trim())
      location.reload()
    } catch (error) {
      setSays(told(error))
    }
  }
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault()
        void enter()
      }}
    >
      <label>
        For a real model: your key from{' '}
        <a href="https://console.anthropic.com/settings/keys" target="_blank" rel="noreferrer">
          console.anthropic.com
        </a>
        <span class="row">
          <input type="password" autocomplete="off" required placeholder="sk-ant-…" value={key} onInput={(event) => setKey(event.currentTarget.value)} />
          <button>Use this key</button>
        </span>
      </label>
      <p class="hint" role="status">
        {says ?? 'It stays on this machine, and agents never see it.'}
      </p>
    </form>
  )
}
