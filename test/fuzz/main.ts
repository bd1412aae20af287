import { mkdir, writeFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { closeAll } from '../support/cleanup.ts'
import { Progress } from '../support/progress.ts'
import type { Attacked } from './fuzzer.ts'
import { type FuzzerName, fuzzerOf, FUZZERS, listenToProcess, run } from './run.ts'

// pnpm fuzz: docs/fuzzing.md says how.

const FOLDER = '.out/fuzz'
/** One cause is found again and again: the first few say all. */
const MOST_FINDINGS = 5

const { values: given } = parseArgs({
  options: {
    minutes: { type: 'string', default: '1' },
    seed: { type: 'string' },
    path: { type: 'string' },
    only: { type: 'string' },
  },
})

const minutes = Number(given.minutes)
const chosen = given.only === undefined ? FUZZERS : FUZZERS.filter((name) => name === given.only)
const seed = given.seed === undefined ? Math.floor(Math.random() * 2 ** 31) : Number(given.seed)
if (!(minutes > 0) || chosen.length === 0 || !Number.isSafeInteger(seed)) {
  process.stderr.write(`Usage: pnpm fuzz [--minutes 1] [--only ${FUZZERS.join('|')}] [--seed N [--path P]]\n`)
  process.exit(2)
}

const tried = new Map(chosen.map((name) => [name, 0]))
let findings = 0
const progress = new Progress()

async function turn(name: FuzzerName, attacked: Attacked<unknown>, turnSeed: number): Promise<void> {
  const { tried: times, finding } = await run(fuzzerOf(name), attacked, { seed: turnSeed, path: given.path })
  tried.set(name, tried.get(name)! + times)
  if (finding === undefined) return
  findings += 1
  const again = `pnpm fuzz --only ${name} --seed ${finding.seed} --path ${finding.path}`
  await mkdir(FOLDER, { recursive: true })
  const file = `${FOLDER}/${name}-${finding.seed}.txt`
  await writeFile(file, `${again}\n\n${finding.input}\n\n${finding.reason}\n`)
  progress.say(`${again}\n  ${finding.reason.split('\n', 1)[0]}\n  ${file}`)
}

async function main(): Promise<void> {
  listenToProcess()
  const attacked = new Map<FuzzerName, Attacked<unknown>>()
  for (const name of chosen) attacked.set(name, await fuzzerOf(name).start())
  const startedAt = Date.now()
  const endsAt = startedAt + minutes * 60_000
  const counts = (): string => [...tried].map(([name, count]) => `${count} ${name}`).join(', ')
  let turns = 0
  // Whoever has had the least time so far is next: some try a thousand inputs while others try ten.
  const spent = new Map(chosen.map((name) => [name, 0]))
  do {
    const name = chosen.toSorted((one, other) => spent.get(one)! - spent.get(other)!)[0]!
    const began = Date.now()
    await turn(name, attacked.get(name)!, seed + turns)
    turns += 1
    spent.set(name, spent.get(name)! + Date.now() - began)
    progress.at((Date.now() - startedAt) / (endsAt - startedAt), `${counts()}, ${findings} findings`)
  } while (Date.now() < endsAt && given.path === undefined && findings < MOST_FINDINGS)
  await closeAll()
  progress.say(`seed ${seed}: ${counts()}, ${findings} findings`)
}

// What this process itself fails with would be one of the rejections nobody hears.
main().then(
  () => process.exit(findings > 0 ? 1 : 0),
  (error: unknown) => {
    process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`)
    process.exit(2)
  },
)
