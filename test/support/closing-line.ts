import type { Reporter, SerializedError, TestModule } from 'vitest/node'

const firstLine = (text: string): string => (text.split('\n', 1)[0] ?? '').slice(0, 300)

/** Ends the output with what failed and why, a line each, and `N passed, N failed, N skipped`; what could not even be collected counts as failed. */
export default class ClosingLine implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandled: readonly SerializedError[]): void {
    const checks = (process.env['BRANCHLINE_FAILED_CHECKS'] ?? '').split(', ').filter((name) => name !== '')
    const counts = { passed: 0, failed: unhandled.length + checks.length, skipped: 0 }
    const told = [...checks.map((name) => `failed check: ${name}`), ...unhandled.map(({ message }) => `failed: outside of any test: ${firstLine(message)}`)]
    for (const module of modules) {
      const tests = [...module.children.allTests()]
      if (module.errors().length > 0 || tests.length === 0) {
        counts.failed += 1
        told.push(`failed: ${module.relativeModuleId}: ${firstLine(module.errors()[0]?.message ?? 'holds no test')}`)
      }
      for (const test of tests) {
        const { state, errors } = test.result()
        if (state === 'pending') counts.failed += 1
        else counts[state] += 1
        if (state === 'skipped') told.push(`skipped: ${test.fullName}`)
        else if (state !== 'passed') told.push(`failed: ${module.relativeModuleId} > ${test.fullName}: ${firstLine(errors?.[0]?.message ?? 'did not end')}`)
      }
    }
    process.once('exit', () => {
      for (const line of told) process.stdout.write(`${line}\n`)
      process.stdout.write(`${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped\n`)
    })
  }
}
