import * as z from 'zod'
import type { AnswerTo } from './comments.ts'

const Place = z.object({
  repository: z.object({ owner: z.string(), name: z.string() }),
  number: z.int(),
  place: z.object({ kind: z.enum(['issue', 'comment', 'review', 'review comment']), id: z.int() }),
  /** The command whose work is pushed. */
  pushOf: z.string().optional(),
  /** The branch that was merged in. */
  merges: z.string().optional(),
})
export type ReplyPlace = AnswerTo & { readonly pushOf?: string | undefined; readonly merges?: string | undefined }

/** Where the result of a command goes, as the journal keeps it. */
export const replyTo = ({ repository: { owner, name }, number, place, pushOf, merges }: ReplyPlace): string =>
  JSON.stringify({
    repository: { owner, name },
    number,
    place: { kind: place.kind, id: place.id },
    ...(pushOf === undefined ? {} : { pushOf }),
    ...(merges === undefined ? {} : { merges }),
  })

export const readReplyTo = (text: string | undefined): ReplyPlace => Place.parse(JSON.parse(text ?? ''))
