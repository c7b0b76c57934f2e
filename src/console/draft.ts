import { useRef, useState } from 'preact/hooks'

/** Something that is to be said about a place: a line of a file, or an element of a page. */
export interface Remark {
  /** Such as `src/pages/index.astro:12`. */
  readonly where: string
  /** What stands there. */
  readonly quote: string
  readonly text: string
}

export interface Draft {
  readonly text: string
  readonly remarks: readonly Remark[]
}

const EMPTY: Draft = { text: '', remarks: [] }

/** What is written and not sent, by thread. It outlives the tab; what is sent or emptied is not kept. */
export function useDraft(threadId: string): readonly [Draft, (change: Partial<Draft>) => void] {
  const place = `branchline draft ${threadId}`
  const [draft, setDraft] = useState(() => kept(place))
  const now = useRef(draft)
  const write = (change: Partial<Draft>): void => {
    now.current = { ...now.current, ...change }
    if (now.current.text === '' && now.current.remarks.length === 0) localStorage.removeItem(place)
    else localStorage.setItem(place, JSON.stringify(now.current))
    setDraft(now.current)
  }
  return [draft, write]
}

function kept(place: string): Draft {
  try {
    return { ...EMPTY, ...(JSON.parse(localStorage.getItem(place) ?? '{}') as Partial<Draft>) } // oxlint-disable-line typescript/no-unsafe-type-assertion -- written by write above
  } catch {
    return EMPTY
  }
}

/** One message out of what was written and the remarks, each with what it is about. */
export const instructionOf = ({ text, remarks }: Draft): string =>
  [text.trim(), ...remarks.map(({ where, quote, text: said }) => `${where}\n${quote === '' ? '' : `> ${quote.replaceAll('\n', '\n> ')}\n`}${said}`)]
    .filter((part) => part !== '')
    .join('\n\n')
