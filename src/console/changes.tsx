import parseDiff, { type Change, type File } from 'parse-diff'
import { useMemo, useState } from 'preact/hooks'
import type { Diff } from './answers.ts'
import type { Remark } from './draft.ts'
import { RemarkBox } from './remark-box.tsx'
import { visible } from './text.ts'
import { useLoaded } from './use-loaded.ts'

interface Props {
  readonly load: () => Promise<Diff>
  /** Whenever it is another one, the changes are asked for anew. */
  readonly version: string
  /** What is compared, where that is not all that the thread has done; and back to that. */
  readonly shown: { readonly title: string; readonly back: () => void } | undefined
  readonly remark: ((remark: Remark) => void) | undefined
}

/** A file with more lines than this is folded at first. */
const MANY_LINES = 400

/** What has changed, by file; a remark can be made on each line. */
export function Changes({ load, version, shown, remark }: Props) {
  const { value: diff, problem } = useLoaded(load, version)
  const files = useMemo(() => parseDiff(diff?.patch), [diff?.patch])
  if (diff === undefined) return <p class="nothing hint">{problem ?? 'One moment …'}</p>
  return (
    <div class="changes">
      {shown !== undefined && (
        <p class="bar">
          <span class="grow">{visible(shown.title)}</span>
          <button onClick={shown.back}>All changes</button>
        </p>
      )}
      {files.length === 0 && <p class="nothing">{shown === undefined ? 'Nothing is changed yet.' : 'There is no difference.'}</p>}
      {files.length > 0 && (
        <p class="hint">
          {files.length} file{files.length === 1 ? '' : 's'}, <span class="added">+{sum(files, 'additions')}</span>{' '}
          <span class="removed">−{sum(files, 'deletions')}</span>
          {remark !== undefined && ' · choose a line to say something about it'}
        </p>
      )}
      {files.map((file) => (
        <FileChanges key={nameOf(file)} file={file} remark={remark} />
      ))}
      {diff.cut && <p class="hint">There is more than is shown here.</p>}
    </div>
  )
}

const sum = (files: readonly File[], of: 'additions' | 'deletions'): number => files.reduce((all, file) => all + file[of], 0)
const nameOf = ({ from, to }: File): string => (to === undefined || to === '/dev/null' ? (from ?? '') : to)

function FileChanges({ file, remark }: { readonly file: File; readonly remark: Props['remark'] }) {
  const [on, setOn] = useState<string>()
  const name = nameOf(file)
  const lines = file.chunks.reduce((all, { changes }) => all + changes.length, 0)
  const kind = file.new === true ? 'new' : file.deleted === true ? 'removed' : file.from !== file.to ? `was ${file.from}` : ''
  return (
    <details class="file" open={lines <= MANY_LINES}>
      <summary>
        <code>{visible(name)}</code> <span class="hint">{kind}</span> <span class="added">+{file.additions}</span>{' '}
        <span class="removed">−{file.deletions}</span>
      </summary>
      {lines === 0 && <p class="hint">Not shown: it is no text, or too large.</p>}
      <div class="lines">
        {file.chunks.map((chunk) => (
          <div key={chunk.content} class="chunk">
            <p class="where">{visible(chunk.content)}</p>
            {chunk.changes.filter(isLine).map((change) => (
              <div key={keyOf(change)}>
                <Line change={change} choose={remark === undefined ? undefined : () => setOn(keyOf(change))} />
                {on === keyOf(change) && remark !== undefined && (
                  <RemarkBox
                    where={`${name}:${lineOf(change)}${change.type === 'del' ? ', as it was before' : ''}`}
                    quote={change.content.slice(1)}
                    add={(made) => {
                      setOn(undefined)
                      remark(made)
                    }}
                    leave={() => setOn(undefined)}
                  />
                )}
              </div>
            ))}
          </div>
        ))}
      </div>
    </details>
  )
}

const lineOf = (change: Change): number => (change.type === 'normal' ? change.ln2 : change.ln)
const keyOf = (change: Change): string => `${change.type} ${lineOf(change)}`
/** git says by one more line that a file ends without one. */
const isLine = ({ content }: Change): boolean => !content.startsWith('\\')
const KINDS = { add: 'added', del: 'removed', normal: '' } as const

function Line({ change, choose }: { readonly change: Change; readonly choose: (() => void) | undefined }) {
  const text = (
    <>
      <span class="number" aria-hidden="true">
        {lineOf(change)}
      </span>
      <span class="hidden">{change.type === 'normal' ? '' : `${KINDS[change.type]}: `}</span>
      <code>{visible(change.content) || ' '}</code>
    </>
  )
  if (choose === undefined) return <div class={`line ${KINDS[change.type]}`}>{text}</div>
  return (
    <button class={`line ${KINDS[change.type]}`} title="Say something about this line" onClick={choose}>
      {text}
    </button>
  )
}
