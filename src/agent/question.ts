import * as z from 'zod'
import { printable } from '../observe/text.ts'

const MAX_LENGTH = 4000

/** What Claude Code's tool AskUserQuestion is called with; more than this it may say, and need not. */
const Asked = z.object({
  questions: z.array(z.object({ question: z.string(), options: z.array(z.object({ label: z.string(), description: z.string().optional() })).optional() })),
})

/** The question in the agent's call, as a person reads it: each with its possible answers below. */
export function questionIn(input: unknown): string {
  const asked = Asked.safeParse(input)
  if (!asked.success) return 'The agent has a question that cannot be read; ask it what it wants to know.'
  const text = asked.data.questions
    .map(({ question, options = [] }) =>
      [question, ...options.map(({ label, description = '' }) => `- ${label}${description === '' || description === label ? '' : `: ${description}`}`)].join(
        '\n',
      ),
    )
    .join('\n\n')
  return printable(text, MAX_LENGTH)
}
