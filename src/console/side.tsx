import type { Status } from './answers.ts'
import type { Api } from './api.ts'
import { Changes } from './changes.tsx'
import type { Remark } from './draft.ts'
import { Files } from './files.tsx'
import { History } from './history.tsx'
import { PreviewFrame, type Wanted } from './preview-frame.tsx'

const TABS = { preview: 'Preview', changes: 'Changes', history: 'History', files: 'Files' } as const
export type Tab = keyof typeof TABS
const NAMES: readonly Tab[] = ['preview', 'changes', 'history', 'files']

/** What lies between two commits of the thread. */
export interface Compared {
  readonly from: string
  readonly to: string
  readonly title: string
}

/** What may be done here; `undefined` for who may only look. */
export interface SideActs {
  readonly start: () => void
  readonly mend: (errors: readonly string[]) => void
  readonly remark: (remark: Remark) => void
  readonly goBack: (commit: string) => void
}

interface Props {
  readonly api: Api
  readonly threadId: string
  readonly status: Status | undefined
  /** Whenever it is another one, what is shown is asked for anew. */
  readonly version: number
  readonly tab: Tab
  readonly choose: (tab: Tab) => void
  readonly wanted: Wanted | undefined
  readonly compared: Compared | undefined
  readonly compare: (compared: Compared | undefined) => void
  readonly acts: SideActs | undefined
}

/** The site of the thread: as it looks, what has changed, how it came about, and its files. */
export function Side({ api, threadId, status, version, tab, choose, wanted, compared, compare, acts }: Props) {
  const now = String(version)
  return (
    <section class="side" aria-label="Site">
      <div role="tablist" aria-label="What is shown of the site" class="tabs">
        {NAMES.map((each) => (
          <button
            key={each}
            role="tab"
            id={`tab-${each}`}
            aria-controls="shown"
            aria-selected={tab === each}
            tabIndex={tab === each ? 0 : -1}
            onClick={() => choose(each)}
            onKeyDown={({ key, currentTarget }) => {
              const to = key === 'ArrowRight' ? currentTarget.nextElementSibling : key === 'ArrowLeft' ? currentTarget.previousElementSibling : null
              if (!(to instanceof HTMLElement)) return
              to.focus()
              to.click()
            }}
          >
            {TABS[each]}
            {each === 'changes' && status !== undefined && status.changedFiles.length > 0 && <span class="count">{status.changedFiles.length}</span>}
          </button>
        ))}
      </div>
      <div id="shown" role="tabpanel" aria-labelledby={`tab-${tab}`} class="shown">
        {/* It stays as it is while something else is shown: where it was, and what had been typed there. */}
        <div class="shown" hidden={tab !== 'preview'}>
          <PreviewFrame
            preview={status?.preview}
            commit={status?.lastCommit}
            wanted={wanted}
            link={api.me.open ? undefined : () => api.previewLink(threadId)}
            start={acts?.start}
            remark={acts?.remark}
            mend={acts?.mend}
          />
        </div>
        {tab === 'changes' && (
          <Changes
            key={`${compared?.from} ${compared?.to}`}
            load={() => api.diff(threadId, compared)}
            version={now}
            shown={compared === undefined ? undefined : { title: compared.title, back: () => compare(undefined) }}
            remark={acts?.remark}
          />
        )}
        {tab === 'history' && <History load={() => api.checkpoints(threadId)} version={now} compare={compare} goBack={acts?.goBack} />}
        {tab === 'files' && <Files api={api} threadId={threadId} version={now} works={acts !== undefined} />}
      </div>
    </section>
  )
}
