import type * as z from 'zod'
import type * as answers from '../ways/http/answers.ts'

// What the API answers, as its own document has it.

export type Me = z.infer<typeof answers.Me>
export type ThreadSummary = z.infer<typeof answers.ThreadSummary>
export type Status = z.infer<typeof answers.Status>
export type Preview = z.infer<typeof answers.Preview>
export type Diff = z.infer<typeof answers.DiffAnswer>
export type Checkpoints = z.infer<typeof answers.Checkpoints>
export type Costs = z.infer<typeof answers.Costs>
export type Tokens = Status['tokens']
