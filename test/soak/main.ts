import path from 'node:path'
import { parseArgs } from 'node:util'
import { closeAll } from '../support/cleanup.ts'
import { hosts } from '../support/hosts.ts'
import { Progress } from '../support/progress.ts'
import { problemsOf, soak } from './soak.ts'

// pnpm soak [--requests 1000000] [--host "Koa 3"]

const NAMES = hosts.map(([name]) => name)
const { values: given } = parseArgs({
  options: { requests: { type: 'string', default: '1000000' }, host: { type: 'string', default: 'node:http' } },
})
const requests = Number(given.requests)
if (!(requests > 0) || !NAMES.includes(given.host)) {
  process.stderr.write(`Usage: pnpm soak [--requests 1000000] [--host "${NAMES.join('" | "')}"]\n`)
  process.exit(2)
}

const progress = new Progress()
// Bundled beside this one.
const script = path.join(import.meta.dirname, 'gateway-process.mjs')
const result = await soak({ script, host: given.host, requests, onProgress: (part, what) => progress.at(part, what) })
const { sent, early, late } = result
const mebibytes = (bytes: number): string => `${(bytes / 1024 / 1024).toFixed(1)} MiB`
progress.say(
  `${sent} requests; heap ${mebibytes(early.heapBytes)} after a tenth, ${mebibytes(late.heapBytes)} at the end`,
)
progress.say(`held after a tenth ${JSON.stringify(early.resources)}, at the end ${JSON.stringify(late.resources)}`)
const problems = problemsOf(result)
for (const problem of problems) progress.say(`PROBLEM: ${problem}`)
await closeAll()
process.exit(problems.length > 0 ? 1 : 0)
