// Sums vitest's JSON reports in .out and ends with the line CI looks for: `N passed, N failed`.
// The arguments are the steps of .ci/run which failed; step `x` reports in `.out/vitest-x.json`.
// A test that ran in several steps counts once, as failed if it failed in any of them.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import process from 'node:process'

const passed = new Set()
const failed = new Set()
const skipped = new Set()
const explained = new Set()
/** Ids of the catalogue of hostile traffic, and the hosts on which each was green. */
const attacks = new Map()

function note(id, place, status) {
  const places = attacks.get(id) ?? new Map()
  attacks.set(id, places)
  places.set(place, places.get(place) === 'failed' || status === 'failed' ? 'failed' : (places.get(place) ?? status))
  if (status === 'passed' && places.get(place) !== 'failed') places.set(place, 'passed')
}

/** Every id of the page has to be green everywhere the page says. */
function countAttacks() {
  const rows = readFileSync('docs/hostile-traffic.md', 'utf8').matchAll(
    /^\| ([A-M]\d\d) \|.*\| (every host|[a-z ]+) \|$/gmu,
  )
  let green = 0
  let total = 0
  for (const [, id, where] of rows) {
    total += 1
    const places = [...(attacks.get(id)?.values() ?? [])]
    const expected = where === 'every host' ? HOSTS : 1
    // Some are also tried in whole processes.
    if (places.length >= expected && places.every((status) => status === 'passed')) green += 1
    else
      failed.add(`the attack ${id} is green on ${places.filter((status) => status === 'passed').length} of ${expected}`)
  }
  console.log(`${green} of ${total} ids of docs/hostile-traffic.md green, those of hosts on ${HOSTS} hosts`)
}

const HOSTS = 5
const reports = existsSync('.out') ? readdirSync('.out').filter((name) => /^vitest-.+\.json$/u.test(name)) : []
for (const report of reports) {
  for (const file of JSON.parse(readFileSync(`.out/${report}`, 'utf8')).testResults) {
    for (const [index, { status, ancestorTitles }] of file.assertionResults.entries()) {
      const bucket = { passed, failed }[status] ?? skipped
      bucket.add(`${file.name} ${index}`)
      const [, id, place] = ancestorTitles.map((title) => /^([A-M]\d\d) on (.+)$/u.exec(title)).find(Boolean) ?? []
      if (id !== undefined) note(id, place, status)
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
if (attacks.size > 0) countAttacks()
if (passed.size === 0) failed.add('no test ran')
for (const test of failed) passed.delete(test)

if (skipped.size > 0) console.log(`${skipped.size} skipped`)
console.log(`${passed.size} passed, ${failed.size} failed`)
process.exitCode = failed.size === 0 ? 0 : 1
