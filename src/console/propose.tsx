import { useState } from 'preact/hooks'
import type { Status } from './answers.ts'
import type { Api } from './api.ts'
import { OwnRepository } from './repository.tsx'

interface Props {
  readonly api: Api
  readonly threadId: string
  readonly status: Status | undefined
  readonly act: (work: () => Promise<unknown>) => Promise<boolean>
}

/** Hands the work on: pushes it, and asks for it to be reviewed. Says how far that has come. */
export function Propose({ api, threadId, status, act }: Props) {
  const [busy, setBusy] = useState<'push' | 'pull'>()
  const [opened, setOpened] = useState<string>()
  const during = async (what: 'push' | 'pull', work: () => Promise<unknown>): Promise<void> => {
    setBusy(what)
    await act(work)
    setBusy(undefined)
  }
  if (status === undefined || status.changedFiles.length === 0) return null
  if (status.origin === undefined) return <OwnRepository mayChoose={api.me.projectChosen && api.me.threadId === undefined} />
  const isPushed = status.pushedCommit === status.lastCommit
  const pull = opened ?? status.pullRequestUrl
  return (
    <div class="propose">
      <button disabled={busy !== undefined || isPushed} onClick={() => void during('push', () => api.act(threadId, 'push'))} title={`To ${status.origin}`}>
        {busy === 'push' ? 'Pushing …' : isPushed ? 'Pushed ✓' : status.pushedCommit === undefined ? 'Push' : 'Push again'}
      </button>
      {pull !== undefined && (
        <a class="button" href={pull} target="_blank" rel="noreferrer">
          Pull request ↗
        </a>
      )}
      {(pull === undefined || !isPushed) && (
        <button class="main" disabled={busy !== undefined} onClick={() => void during('pull', async () => setOpened(await api.pullRequest(threadId)))}>
          {busy === 'pull' ? 'Opening …' : pull === undefined ? 'Open pull request' : 'Update pull request'}
        </button>
      )}
    </div>
  )
}
