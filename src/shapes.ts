import * as z from 'zod'
import { BadEgressRule, parseEgressRules } from './network/egress-rules.ts'

// What the text of a variable may be, and what it becomes.

export const flag = z.enum(['true', 'false', '1', '0'], 'must be true or false').transform((value) => value === 'true' || value === '1')
export const whole = (min: number, max: number) =>
  z
    .string()
    .regex(/^\d{1,12}$/, `must be a whole number from ${min} to ${max}`)
    .transform(Number)
    .refine((value) => value >= min && value <= max, `must be a whole number from ${min} to ${max}`)
export const minutes = z
  .string()
  .regex(/^\d{1,6}(\.\d{1,4})?$/, 'must be a number of minutes, such as 5')
  .transform((value) => Math.round(Number(value) * 60_000))
  .refine((value) => value > 0, 'must be more than 0')
export const milliseconds = whole(0, 3_600_000)
export const usd = z
  .string()
  .regex(/^\d{1,9}(\.\d{1,6})?$/, 'must be an amount in USD, such as 2.50')
  .transform(Number)
  .refine((value) => value > 0, 'must be more than 0')
export const portOrOff = z
  .string()
  .regex(/^(off|\d{1,5})$/, 'must be a port from 0 to 65535, or off')
  .transform((value) => (value === 'off' ? ('off' as const) : Number(value)))
  .refine((value) => value === 'off' || value <= 65_535, 'must be a port from 0 to 65535, or off')
export const domain = z
  .string()
  .toLowerCase()
  .regex(/^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9-]{2,63}$/, 'must be a domain, such as preview.example.com')
export const publicUrl = z
  .url({ protocol: /^https?$/, error: 'must be a URL, such as https://branchline.example.com', abort: true })
  .refine((text) => URL.parse(text)?.pathname === '/' && URL.parse(text)?.search === '' && URL.parse(text)?.hash === '', 'must have no path, query or fragment')
  .transform((text) => new URL(text).origin)
export const word = z.string().min(1).max(10_000)
export const hosts = z.string().transform((text, context) => {
  try {
    return parseEgressRules(text)
  } catch (error) {
    if (!(error instanceof BadEgressRule)) throw error
    context.addIssue({ code: 'custom', message: error.message })
    return z.NEVER
  }
})
/** As OpenTelemetry has them: `name=value,name=value`, values percent-encoded. */
export const headers = z.string().transform((text, context): Readonly<Record<string, string>> => {
  const pairs = text.split(',').map((pair) => /^\s*([\w!#$%&'*+.^`|~-]+)=([\x21-\x7e]*)\s*$/.exec(pair))
  try {
    if (pairs.every((pair) => pair !== null))
      return Object.fromEntries(pairs.map(([, name = '', value = '']) => [name.toLowerCase(), decodeURIComponent(value)]))
  } catch {
    // no percent-encoding
  }
  context.addIssue({ code: 'custom', message: 'must be name=value, divided by commas, values percent-encoded' })
  return z.NEVER
})
