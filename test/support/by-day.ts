/** Which share of tests is taken: `TESTS=full` takes all, `TESTS=2` those of that day, else today's. */
const TESTS = process.env['TESTS'] ?? String(Math.floor(Date.now() / 86_400_000))

/** So many of what is the same again and again, all of it where all tests are taken. */
export const inFull = (usually: number, all: number): number => (TESTS === 'full' ? all : usually)

/** One in `shares` of many tests of one kind, another part each day, so that `npm test` keeps its time. */
export const ofTheDay = <Each>(all: readonly Each[], shares: number): readonly Each[] =>
  TESTS === 'full' ? all : all.filter((_, at) => at % shares === Number(TESTS) % shares)
