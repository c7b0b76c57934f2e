import { useRef, useState } from 'preact/hooks'
import { beginProject } from './project.ts'

interface Props {
  readonly url: string
  readonly setUrl: (url: string) => void
}

/** Which repository a workspace begins from: asked for until it has begun. */
export const RepositoryField = ({ url, setUrl }: Props) => (
  <div class="note">
    <label>
      Your repository
      <input
        type="url"
        placeholder="https://github.com/you/site"
        value={url}
        onInput={(event) => setUrl(event.currentTarget.value)}
        aria-describedby="repository"
      />
    </label>
    <p class="hint" id="repository">
      Left empty, the example site of a bakery is used. This is chosen once, with the first message.
    </p>
  </div>
)

/** The example site has nowhere to go: says what leads further. */
export function OwnRepository({ mayChoose }: { readonly mayChoose: boolean }) {
  const dialog = useRef<HTMLDialogElement>(null)
  const [url, setUrl] = useState('')
  return (
    <>
      <button class="main" onClick={() => dialog.current?.showModal()}>
        Open pull request
      </button>
      <dialog ref={dialog} aria-labelledby="own" {...{ closedby: 'any' }}>
        <h2 id="own">This needs a repository of yours</h2>
        <p>This thread works on the example site, which belongs to nobody, so there is nobody to review it.</p>
        {mayChoose ? (
          <form
            onSubmit={(event) => {
              event.preventDefault()
              beginProject(url)
            }}
          >
            <label>
              Begin with a repository of yours, as a project of its own
              <input type="url" required placeholder="https://github.com/you/site" value={url} onInput={(event) => setUrl(event.currentTarget.value)} />
            </label>
            <p class="hint">To push there the service needs access: GITHUB_TOKEN, or a GitHub App. The documentation says how: docs/github.md.</p>
            <p class="acts">
              <button class="main">Begin</button>
            </p>
          </form>
        ) : (
          <p>Whoever runs this service names one by REPO_URL.</p>
        )}
        <form method="dialog" class="acts">
          <button>Close</button>
        </form>
      </dialog>
    </>
  )
}
