import { useEffect, useReducer, useState } from 'preact/hooks'
import type { Status } from './answers.ts'
import type { Api, Present } from './api.ts'
import { told } from './request.ts'
import { after, EMPTY, type ThreadView } from './thread-view.ts'

export interface Watched {
  readonly view: ThreadView
  /** How it stands, once that is known. */
  readonly status: Status | undefined
  readonly people: readonly Present[]
  readonly connected: boolean
}

/** A thread, watched for as long as it is shown. */
export function useThread(api: Api, threadId: string | undefined, tell: (problem: string) => void): Watched {
  const [view, hear] = useReducer(after, EMPTY)
  const [connected, setConnected] = useState(true)
  const [people, setPeople] = useState<readonly Present[]>([])
  const [status, setStatus] = useState<Status>()
  useEffect(() => {
    if (threadId === undefined) return
    const gone = new AbortController()
    api.watch(threadId, { hear, connected: setConnected, present: setPeople }, gone.signal).catch((error: unknown) => tell(told(error)))
    return () => gone.abort()
  }, [api, threadId])
  useEffect(() => {
    if (threadId === undefined) return
    let over = false
    api.status(threadId).then(
      (now) => over || setStatus(now),
      () => {}, // there is none yet, or the connection is lost, which is shown
    )
    return () => {
      over = true
    }
  }, [api, threadId, view.version, view.running])
  return { view, status, people, connected }
}
