import type * as z from 'zod'

const NOUNS: Readonly<Record<string, string>> = {
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'an object',
}

/** What is wrong with a value, said to a person; where a rule brings its own words, those are used instead. */
export function inWords(issue: z.core.$ZodRawIssue): string | undefined {
  if (issue.input === undefined) return 'is needed'
  if (issue.code === 'invalid_type') return `must be ${NOUNS[issue.expected] ?? issue.expected}`
  if (issue.code === 'invalid_value') return `must be ${issue.values.length > 1 ? 'one of ' : ''}${issue.values.map(String).join(', ')}`
  if (issue.code === 'too_small' && ofNumber(issue.origin)) return `must be ${issue.inclusive === true ? 'at least' : 'more than'} ${issue.minimum}`
  if (issue.code === 'too_big' && ofNumber(issue.origin)) return `must be ${issue.inclusive === true ? 'at most' : 'less than'} ${issue.maximum}`
  return undefined
}

const ofNumber = (origin: string): boolean => origin === 'number' || origin === 'int'
