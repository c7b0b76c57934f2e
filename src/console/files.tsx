import { useEffect, useRef, useState } from 'preact/hooks'
import type { Api, FileContent } from './api.ts'
import { told } from './request.ts'
import type { Editor } from './code-mirror.ts'
import { visible } from './text.ts'
import { useLoaded } from './use-loaded.ts'

interface Props {
  readonly api: Api
  readonly threadId: string
  /** Whenever it is another one, the files are asked for anew. */
  readonly version: string
  readonly works: boolean
}

/** More than this is not shown at once; what is typed finds the rest. */
const SHOWN = 300

/** The files of the thread's last commit. One can be corrected by hand: that is saved as a commit like any other. */
export function Files({ api, threadId, version, works }: Props) {
  const { value: paths, problem } = useLoaded(() => api.files(threadId), version)
  const [filter, setFilter] = useState('')
  const [open, setOpen] = useState<string>()
  if (open !== undefined) return <OpenFile key={open} api={api} threadId={threadId} path={open} works={works} leave={() => setOpen(undefined)} />
  if (paths === undefined) return <p class="nothing hint">{problem ?? 'One moment …'}</p>
  const found = paths.filter((path) => path.toLowerCase().includes(filter.toLowerCase()))
  return (
    <div class="files">
      <label>
        <span class="hidden">Find a file</span>
        <input type="search" placeholder="Find a file" value={filter} onInput={(event) => setFilter(event.currentTarget.value)} />
      </label>
      <ul>
        {found.slice(0, SHOWN).map((path) => (
          <li key={path}>
            <button onClick={() => setOpen(path)}>
              <code>{visible(path)}</code>
            </button>
          </li>
        ))}
      </ul>
      {found.length > SHOWN && <p class="hint">{found.length - SHOWN} more; type a part of the name.</p>}
      {found.length === 0 && <p class="hint">No file has that in its name.</p>}
    </div>
  )
}

interface OpenProps {
  readonly api: Api
  readonly threadId: string
  readonly path: string
  readonly works: boolean
  readonly leave: () => void
}

function OpenFile({ api, threadId, path, works, leave }: OpenProps) {
  const place = useRef<HTMLDivElement>(null)
  const editor = useRef<Editor>(undefined)
  const base = useRef<string>(undefined)
  const [says, setSays] = useState('Opening …')
  const [changed, setChanged] = useState(false)
  const [saving, setSaving] = useState(false)
  const kept = `branchline file ${threadId} ${path}`
  const save = async (): Promise<void> => {
    if (editor.current === undefined || !works || saving) return
    setSaving(true)
    setSays('Saving …')
    const text = editor.current.text()
    try {
      base.current = await api.write(threadId, path, text, base.current)
      setSays('Saved.')
      const same = editor.current.text() === text
      setChanged(!same)
      if (same) sessionStorage.removeItem(kept)
    } catch (error) {
      setSays(told(error))
    } finally {
      setSaving(false)
    }
  }
  /** Outlives another look, and a reload: what was typed and not saved, and what it was made of. */
  const keep = (): void => {
    setChanged(true)
    if (editor.current !== undefined) sessionStorage.setItem(kept, JSON.stringify({ text: editor.current.text(), base: base.current }))
  }
  const saveNow = useRef(save)
  saveNow.current = save
  useEffect(() => {
    let over = false
    const open = async (): Promise<void> => {
      const [{ openEditor }, file] = await Promise.all([import('./code-mirror.ts'), api.file(threadId, path)])
      if (over || place.current === null) return
      const draft = draftOf(sessionStorage.getItem(kept))
      base.current = draft === undefined ? file.blob : draft.base
      const opened = await openEditor(place.current, path, draft?.text ?? textOf(file), { works, change: keep, save: () => void saveNow.current() })
      if (over) return opened.close()
      editor.current = opened
      setChanged(draft !== undefined)
      setSays(!works ? '' : draft === undefined ? 'Ctrl+S or ⌘S saves; Esc and then Tab leaves the text.' : 'What you had typed and not saved is here again.')
    }
    open().catch((error: unknown) => over || setSays(error instanceof NoText ? error.message : told(error)))
    return () => {
      over = true
      editor.current?.close()
    }
  }, [])
  const discard = (): void => {
    sessionStorage.removeItem(kept)
    leave()
  }
  return (
    <div class="editing">
      <div class="bar">
        <button onClick={leave}>All files</button>
        <code class="grow">{visible(path)}</code>
        {works && changed && <button onClick={discard}>Discard</button>}
        {works && (
          <button class="main" disabled={!changed || saving} onClick={() => void save()}>
            Save
          </button>
        )}
      </div>
      <p class="hint bar" role="status">
        {says}
      </p>
      <div class="editor" ref={place} />
    </div>
  )
}

class NoText extends Error {}

/** @throws NoText for what cannot be edited here */
function textOf({ content }: FileContent): string {
  if (content.byteLength > 1_000_000) throw new NoText('This file is too large to be edited here.')
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(content)
    if (!text.includes('\0')) return text
  } catch {
    // said below
  }
  throw new NoText('This file is no text.')
}

function draftOf(text: string | null): { readonly text: string; readonly base?: string } | undefined {
  try {
    return text === null ? undefined : (JSON.parse(text) as { readonly text: string; readonly base?: string }) // oxlint-disable-line typescript/no-unsafe-type-assertion -- written by keep above
  } catch {
    return undefined
  }
}
