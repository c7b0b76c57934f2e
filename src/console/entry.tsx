import { useEffect, useState } from 'preact/hooks'
import { Markdown } from './markdown.tsx'
import { gist, visible } from './text.ts'
import { repeats, type Entry } from './thread-view.ts'

/** What a person may do with what is shown; `undefined` where the role does not allow it. */
export interface Acts {
  readonly undo: (() => void) | undefined
  readonly send: ((text: string) => void) | undefined
  readonly carryOut: (() => void) | undefined
  /** Shows what one commit has changed. */
  readonly look: (commit: string) => void
  /** Shows a page of the preview. */
  readonly open: (page: string) => void
  readonly picture: (path: string) => Promise<string>
  /** The name of whoever looks. */
  readonly me: string
}

interface Props {
  readonly entry: Entry
  readonly before: Entry | undefined
  /** Nothing was said to it yet. */
  readonly isOpen: boolean
  readonly mayUndo: boolean
  /** Keys of rows that are unfolded. */
  readonly opened: Set<string>
  readonly acts: Acts
}

/** One row of the conversation. */
export function EntryRow({ entry, before, isOpen, mayUndo, opened, acts }: Props) {
  switch (entry.kind) {
    case 'message':
      return <MessageRow entry={entry} me={acts.me} />
    case 'said':
      return <Markdown text={entry.text} />
    case 'tool':
      return <ToolRow entry={entry} opened={opened} />
    case 'commit':
      return (
        <>
          <p>
            <span class="mark" aria-hidden="true">
              ✓
            </span>{' '}
            {repeats(entry.subject, before) ? 'Saved' : visible(entry.subject.replace(/ \([0-9a-f]{8}\)$/, ''))}
            <span class="hint">
              {entry.files.length > 0 && ` · ${entry.files.length} file${entry.files.length === 1 ? '' : 's'}`} · <code>{entry.commit.slice(0, 7)}</code>
            </span>
          </p>
          <p class="acts">
            <button onClick={() => acts.look(entry.commit)}>See changes</button>
            {pagesOf(entry.files).map((page) => (
              <button key={page} onClick={() => acts.open(page)}>
                See {page}
              </button>
            ))}
            {mayUndo && acts.undo !== undefined && <button onClick={acts.undo}>Undo</button>}
          </p>
        </>
      )
    case 'question':
      return (
        <>
          <p class="plain">{visible(entry.text)}</p>
          {acts.send !== undefined && isOpen && (
            <p class="acts">
              {entry.options.map((option) => (
                <button key={option} onClick={() => acts.send?.(option)}>
                  {visible(option)}
                </button>
              ))}
              <span class="hint">{entry.options.length === 0 ? 'Answer in the box below.' : 'Or write another answer below.'}</span>
            </p>
          )}
        </>
      )
    case 'ended':
      return <EndedRow entry={entry} before={before} isOpen={isOpen} acts={acts} />
    case 'gap':
      return <p class="hint">What happened before is no longer kept.</p>
  }
}

/** Pages of Astro that are among these files, as they are reached; those whose address is made of something else are not known. */
const pagesOf = (files: readonly string[]): readonly string[] =>
  files.flatMap((file) => {
    const [, page] = /^src\/pages\/([\w/.-]+)\.(?:astro|mdx?|html)$/.exec(file) ?? []
    return page === undefined ? [] : [`/${page.replace(/(?:^|\/)index$/, '')}`]
  })

const ASKED: ReadonlyMap<string, string> = new Map(
  Object.entries({
    restore: 'Go back',
    push: 'Push',
    build: 'Build the site',
    preview: 'Show the preview',
    merge: 'Merge',
    write: 'Save by hand',
  }),
)

function MessageRow({ entry, me }: { readonly entry: Extract<Entry, { kind: 'message' }>; readonly me: string }) {
  const verb = entry.type === 'restore' && entry.text === '' ? 'Undo' : ASKED.get(entry.type)
  return (
    <div class={verb === undefined ? 'bubble' : 'verb'}>
      {entry.author !== undefined && entry.author !== me && <p class="author">{visible(entry.author)}</p>}
      <p class="plain">{verb ?? visible(entry.text)}</p>
      {entry.attachments.length > 0 && <p class="hint">With {entry.attachments.map(visible).join(', ')}</p>}
      {entry.plan && <p class="hint">Plan only</p>}
      {entry.state === 'waiting' && <p class="hint">Begins as soon as what runs is saved</p>}
      {entry.told && <p class="hint">Told while it worked</p>}
      {entry.state === 'joined' && <p class="hint">Goes on in the next message</p>}
    </div>
  )
}

const VERBS: ReadonlyMap<string, string> = new Map(
  Object.entries({
    Read: 'Read',
    Edit: 'Changed',
    MultiEdit: 'Changed',
    Write: 'Wrote',
    Bash: 'Ran',
    Grep: 'Searched for',
    Glob: 'Looked for',
    WebFetch: 'Fetched',
    WebSearch: 'Searched the web for',
    Task: 'Asked a helper:',
  }),
)

function ToolRow({ entry, opened }: { readonly entry: Extract<Entry, { kind: 'tool' }>; readonly opened: Set<string> }) {
  const state = entry.output === undefined ? 'going' : entry.failed ? 'failed' : 'done'
  return (
    <details
      class={state}
      open={opened.has(entry.key)}
      onToggle={({ currentTarget }) => {
        if (currentTarget.open) opened.add(entry.key)
        else opened.delete(entry.key)
      }}
    >
      <summary>
        {VERBS.get(entry.tool) ?? visible(entry.tool)} <code>{gist(entry.input)}</code>
        {entry.failed && <span class="wrong"> failed</span>}
        {entry.output === undefined && <span class="hint"> …</span>}
      </summary>
      <pre tabIndex={0}>{visible(entry.input)}</pre>
      {entry.output !== undefined && <pre tabIndex={0}>{visible(entry.output)}</pre>}
    </details>
  )
}

const DONE: ReadonlyMap<string, string> = new Map(Object.entries({ push: 'Pushed', restore: 'Went back', build: 'Built', write: 'Saved' }))
const stopped = (text: string): string => (text.includes('Nothing had been changed') ? 'Stopped.' : 'Stopped; what was done by then is saved.')

function EndedRow({ entry, before, isOpen, acts }: Pick<Props, 'before' | 'isOpen' | 'acts'> & { readonly entry: Extract<Entry, { kind: 'ended' }> }) {
  const isStopped = entry.code === 'interrupted'
  const text = isStopped ? stopped(entry.text) : repeats(entry.text, before) || entry.text === '' ? (DONE.get(entry.type) ?? 'Done') : visible(entry.text)
  return (
    <>
      {!entry.planned && <p class={`plain ${entry.success || isStopped ? 'hint' : 'wrong'}`}>{text}</p>}
      {entry.pictures.length > 0 && <Pictures paths={entry.pictures} load={acts.picture} />}
      {entry.planned && isOpen && acts.carryOut !== undefined && (
        <p class="acts">
          <button class="main" onClick={acts.carryOut}>
            Do it
          </button>
        </p>
      )}
    </>
  )
}

/** Pages before and after a run. They are fetched with the token, which an address of a picture could not hold. */
function Pictures({ paths, load }: { readonly paths: readonly string[]; readonly load: (path: string) => Promise<string> }) {
  const [urls, setUrls] = useState<readonly string[]>([])
  useEffect(() => {
    let over = false
    const loaded: string[] = []
    void Promise.all(paths.map((path) => load(path).catch(() => ''))).then((made) => {
      loaded.push(...made)
      if (!over) setUrls(made)
    })
    return () => {
      over = true
      for (const url of loaded) URL.revokeObjectURL(url)
    }
  }, [paths.join()])
  return (
    <div class="pictures">
      {urls.map((url, at) => {
        const name = pageOf(paths[at]) === pageOf(paths[at + 1]) ? 'before' : 'after'
        return (
          url !== '' && (
            <figure key={paths[at]}>
              <a href={url} target="_blank" rel="noreferrer">
                <img src={url} alt={`The page ${pageOf(paths[at])} ${name}`} />
              </a>
              <figcaption class="hint">
                {pageOf(paths[at])}, {name}
              </figcaption>
            </figure>
          )
        )
      })}
    </div>
  )
}

/** Which page a picture is of, as its name says: `…/pictures/home-0123456789ab.png`. Before and after stand in a row. */
const pageOf = (path: string | undefined): string => /([^/]+)-[0-9a-f]{12}\.png/.exec(path ?? '')?.[1] ?? ''
