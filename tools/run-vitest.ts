import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { type Reporter, startVitest, type TestModule } from 'vitest/node'
import { type Report, ROOT } from './suites.ts'

/** Counts tests by what a reader of the result wants to know: what failed by name, and what was skipped with its reason. */
class CountingReporter implements Reporter {
  report: Report = { passed: 0, failures: ['the run did not end'], skips: [] }

  onTestRunEnd(modules: readonly TestModule[], unhandled: readonly { readonly message: string }[]): void {
    let passed = 0
    const failures = unhandled.map((error) => `outside any test: ${error.message}`)
    const skips: { name: string; reason: string }[] = []
    for (const module of modules) {
      const file = module.relativeModuleId
      for (const suite of [module, ...module.children.allSuites()]) {
        for (const error of suite.errors()) failures.push(`${file}: ${error.message}`)
      }
      for (const test of module.children.allTests()) {
        const result = test.result()
        const name = `${file}: ${test.fullName}`
        if (result.state === 'passed') passed += 1
        else if (result.state === 'skipped') skips.push({ name, reason: result.note ?? reasonIn(name) })
        else failures.push(`${name}: ${whyOf(result.errors?.[0]?.message)}`)
      }
    }
    if (modules.length === 0) failures.push('no test file was found')
    this.report = { passed, failures, skips }
  }
}

/** The first lines of what a test failed with, on one line: often all that is left of a run on another machine. */
function whyOf(message: string | undefined): string {
  return (message ?? 'no error was told').split('\n').slice(0, 6).join(' | ').slice(0, 600)
}

/** Titles under `skipIf` may end in `(skipped: why)`; else the reason is a comment beside it. */
function reasonIn(name: string): string {
  return /\(skipped: ([^)]*)\)/.exec(name)?.[1] ?? 'see the comment beside it'
}

const { values, positionals } = parseArgs({
  options: { project: { type: 'string', multiple: true } },
  allowPositionals: true,
})
const counting = new CountingReporter()
const vitest = await startVitest('test', positionals, {
  root: ROOT,
  watch: false,
  reporters: ['default', counting],
  ...(values.project === undefined ? {} : { project: values.project }),
})
await vitest.close()
const out = process.env['MOORAGE_TEST_REPORT']
if (out !== undefined) writeFileSync(out, JSON.stringify(counting.report))
// Vitest has closed: what still keeps the process alive is a leak, which the caller looks for.
process.exit(counting.report.failures.length === 0 ? 0 : 1)
