// Sums vitest's JSON reports in .out and ends with the line CI looks for: `N passed, N failed`.
// The arguments are the steps of .ci/run which failed; step `x` reports in `.out/vitest-x.json`.
// A test that ran in several steps counts once, as failed if it failed in any of them.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import process from 'node:process'

const passed = new Set()
const failed = new Set()
const skipped = new Set()
const explained = new Set()

const reports = existsSync('.out') ? readdirSync('.out').filter((name) => /^vitest-.+\.json$/u.test(name)) : []
for (const report of reports) {
  for (const file of JSON.parse(readFileSync(`.out/${report}`, 'utf8')).testResults) {
    for (const [index, { status }] of file.assertionResults.entries()) {
      const bucket = { passed, failed }[status] ?? skipped
      bucket.add(`${file.name} ${index}`)
    }
    if (file.status === 'failed') {
      explained.add(report.slice('vitest-'.length, -'.json'.length))
      // A file that could not even be loaded has no failed test of its own.
      if (file.assertionResults.every(({ status }) => status !== 'failed')) failed.add(file.name)
    }
  }
}
for (const step of process.argv.slice(2)) {
  if (!explained.has(step)) failed.add(`step ${step}`)
}
if (passed.size === 0) failed.add('no test ran')
for (const test of failed) passed.delete(test)

if (skipped.size > 0) console.log(`${skipped.size} skipped`)
console.log(`${passed.size} passed, ${failed.size} failed`)
process.exitCode = failed.size === 0 ? 0 : 1
