import { useLayoutEffect, useState } from 'preact/hooks'
import { Api } from './api.ts'
import { Refused } from './request.ts'
import { SignIn } from './sign-in.tsx'
import { Work } from './work.tsx'

/** Where this tab keeps its token; closing the tab forgets it. */
const TOKEN = 'branchline token'

/** Signs in, without a token where the service asks for none. */
export function App() {
  const [api, setApi] = useState<Api>()
  const [problem, setProblem] = useState<string>()
  const [asks, setAsks] = useState(false)

  const signIn = async (token: string): Promise<void> => {
    try {
      setApi(await Api.signIn(token, signedOut))
      setProblem(undefined)
      if (token !== '') sessionStorage.setItem(TOKEN, token)
    } catch (error) {
      const unknown = error instanceof Refused && error.status === 401
      setAsks(unknown)
      if (unknown) setApi(undefined)
      if (!unknown) setProblem(error instanceof Refused ? error.message : 'The service cannot be reached.')
      else if (token !== '')
        setProblem(token.startsWith('link.') ? 'This link has expired, or is not of this service. Ask for a new one.' : 'This token is not known here.')
    }
  }
  const signedOut = (): void => {
    setApi(undefined)
    setAsks(true)
    setProblem(undefined)
  }
  const signOut = (): void => {
    sessionStorage.removeItem(TOKEN)
    setApi(undefined)
    void signIn('')
  }
  useLayoutEffect(() => {
    void signIn(keyOfAddress() ?? sessionStorage.getItem(TOKEN) ?? '')
    const followed = (): void => {
      const key = keyOfAddress() // a link that is opened where the console is open already
      if (key !== undefined) void signIn(key)
    }
    addEventListener('hashchange', followed)
    return () => removeEventListener('hashchange', followed)
  }, [])

  if (api !== undefined)
    return <Work key={`${api.me.name} ${api.me.threadId ?? ''}`} api={api} signOut={sessionStorage.getItem(TOKEN) === null ? undefined : signOut} />
  if (asks) return <SignIn problem={problem} signIn={signIn} />
  return (
    <main class="alone">
      <p role="status">{problem ?? 'Opening …'}</p>
      {problem !== undefined && <button onClick={() => void signIn(sessionStorage.getItem(TOKEN) ?? '')}>Try again</button>}
    </main>
  )
}

/** The token of a link. It is taken out of the address at once, so that it stands in no history and is not passed on with it. */
function keyOfAddress(): string | undefined {
  const [, thread = '', key] = /^#\/([^?]*)\?key=(.+)$/.exec(location.hash) ?? []
  if (key === undefined) return undefined
  history.replaceState(null, '', `#/${thread}`)
  const other = sessionStorage.getItem(TOKEN)
  if (other === null || other.startsWith('link.') || confirm('Follow this link in place of what you are signed in with? Sign in again to go back.')) return key
  return undefined
}
