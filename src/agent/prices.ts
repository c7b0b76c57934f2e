/** What one response of a model used. `cacheWrite` is kept for five minutes, `cacheWriteHour` for an hour. */
export interface ModelTokens {
  readonly input: number
  readonly output: number
  readonly cacheRead: number
  readonly cacheWrite: number
  readonly cacheWriteHour: number
}

/** USD for a million tokens. */
type Price = ModelTokens

interface Tier extends Price {
  /** Where a prompt of more tokens than `above` costs more, as a whole. */
  readonly long?: Price & { readonly above: number }
}

/** In the order in which price lists have them. */
const price = (input: number, output: number, cacheWrite: number, cacheWriteHour: number, cacheRead: number): Price => ({
  input,
  output,
  cacheWrite,
  cacheWriteHour,
  cacheRead,
})

const SONNET = price(3, 15, 3.75, 6, 0.3)
const OPUS = price(5, 25, 6.25, 10, 0.5)
const FIRST_OPUS = price(15, 75, 18.75, 30, 1.5)
const LARGE = price(10, 50, 12.5, 20, 1)
const LARGE_1 = price(10, 50, 12.5, 20, 0.25)
const LARGE_2 = price(8, 40, 10, 16, 0.2)

/**
 * List prices by family, as of November 2026: the model catalog that is built into Claude Code 2.1.329 (`pricing_tiers` and `models`
 * in its program). `claude-opus-4` and `claude-sonnet-4` are how dated ids write 4.0.
 *
 * What they leave out: fast mode, which agents are not started with, tools that the API runs itself, and the tenth that is added where
 * inference has to stay in one country.
 */
const PRICES: Readonly<Record<string, Tier>> = {
  'claude-3-5-haiku': price(0.8, 4, 1, 1.6, 0.08),
  'claude-haiku-4-5': price(1, 5, 1.25, 2, 0.1),
  'claude-haiku-5-5': { ...price(0.1, 0.5, 0.125, 0.2, 0.01), long: { above: 100_000, ...price(0.5, 2.5, 0.625, 1, 0.05) } },
  'claude-3-5-sonnet': SONNET,
  'claude-3-7-sonnet': SONNET,
  'claude-sonnet-4': SONNET,
  'claude-sonnet-4-0': SONNET,
  'claude-sonnet-4-5': SONNET,
  'claude-sonnet-4-6': SONNET,
  'claude-sonnet-5': price(2, 10, 2.5, 4, 0.2),
  'claude-sonnet-5-5': price(2, 10, 2.5, 4, 0.1),
  'claude-opus-4': FIRST_OPUS,
  'claude-opus-4-0': FIRST_OPUS,
  'claude-opus-4-1': FIRST_OPUS,
  'claude-opus-4-5': OPUS,
  'claude-opus-4-6': OPUS,
  'claude-opus-4-7': OPUS,
  'claude-opus-4-8': OPUS,
  'claude-opus-5': OPUS,
  'claude-opus-5-5': price(4, 20, 5, 8, 0.2),
  'claude-fable-5': LARGE,
  'claude-fable-5-1': LARGE_1,
  'claude-fable-5-2': LARGE_2,
  'claude-mythos-5': LARGE,
  'claude-mythos-5-1': LARGE_1,
  'claude-mythos-5-2': LARGE_2,
}

const DEAREST: Tier = Object.values(PRICES).reduce((dearest, each) => (each.output > dearest.output ? each : dearest))

/**
 * A family may stand behind a path and a vendor, as in `arn:aws:bedrock:…:inference-profile/us.anthropic.claude-opus-5`, and what
 * follows it may be a date, a version of the provider's, or the length of the context, but no other number of the model.
 */
const NAMED =
  /^(?:.*\/)?(?:[a-z-]+\.)?(?:anthropic\.)?(claude-[a-z0-9-]+?)(?:-latest)?(?:[-@]\d{8})?(?:-v\d{1,3}(?::\d{1,3})?(?::\d+k)?)?(?:@\w+)?(?:\[[12]m\])?$/

/**
 * What a response cost, in USD.
 *
 * A model that is not known costs as the dearest one that is: a budget must not be passed by a name.
 */
export function costOf(model: string, tokens: ModelTokens): number {
  const family = NAMED.exec(model.trim().toLowerCase())?.[1] ?? ''
  const tier = Object.hasOwn(PRICES, family) ? (PRICES[family] ?? DEAREST) : DEAREST
  const prompt = tokens.input + tokens.cacheRead + tokens.cacheWrite + tokens.cacheWriteHour
  const { input, output, cacheRead, cacheWrite, cacheWriteHour } = tier.long !== undefined && prompt > tier.long.above ? tier.long : tier
  const dollars =
    tokens.input * input + tokens.output * output + tokens.cacheRead * cacheRead + tokens.cacheWrite * cacheWrite + tokens.cacheWriteHour * cacheWriteHour
  return dollars / 1_000_000
}
