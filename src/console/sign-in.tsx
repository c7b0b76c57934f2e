import { useEffect, useRef, useState } from 'preact/hooks'

interface Props {
  readonly problem: string | undefined
  readonly signIn: (token: string) => Promise<void>
}

/** Asks for the token; it is in no address and in no history. */
export function SignIn({ problem, signIn }: Props) {
  const [token, setToken] = useState('')
  const box = useRef<HTMLInputElement>(null)
  useEffect(() => box.current?.focus(), [])
  return (
    <main class="alone">
      <h1>Branchline</h1>
      <form
        onSubmit={(event) => {
          event.preventDefault()
          void signIn(token.trim())
        }}
      >
        <label>
          Access token
          <input ref={box} type="password" autocomplete="off" required value={token} onInput={(event) => setToken(event.currentTarget.value)} />
        </label>
        <p class="hint">The one that the service was started with (API_TOKEN), or one that you were given.</p>
        {problem !== undefined && (
          <p class="wrong" role="alert">
            {problem}
          </p>
        )}
        <button class="main">Sign in</button>
      </form>
    </main>
  )
}
