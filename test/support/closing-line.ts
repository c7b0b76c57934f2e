import type { Reporter, SerializedError, TestModule } from 'vitest/node'

/** Prints `N passed, N failed, N skipped` as the very last line; what could not even be collected counts as failed. */
export default class ClosingLine implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandled: readonly SerializedError[]): void {
    const checks = (process.env['BRANCHLINE_FAILED_CHECKS'] ?? '').split(', ').filter((name) => name !== '')
    const counts = { passed: 0, failed: unhandled.length + checks.length, skipped: 0 }
    const skipped: string[] = []
    for (const module of modules) {
      const tests = [...module.children.allTests()]
      if (module.errors().length > 0 || tests.length === 0) counts.failed += 1
      for (const test of tests) {
        const { state } = test.result()
        if (state === 'pending') counts.failed += 1
        else counts[state] += 1
        if (state === 'skipped') skipped.push(test.fullName)
      }
    }
    process.once('exit', () => {
      for (const name of checks) process.stdout.write(`failed check: ${name}\n`)
      for (const name of skipped) process.stdout.write(`skipped: ${name}\n`)
      process.stdout.write(`${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped\n`)
    })
  }
}
