import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { UsageError } from '../usage-error.ts'
import { printGoals } from './goals.ts'
import { blocksOf, CHART, chart, PAGES, withBlocks } from './pages.ts'
import { newestResults } from './result-files.ts'

/** The root of the repository, from the sources as from what they are compiled to. */
const root = path.resolve(import.meta.dirname, '../../..')

/** Writes what pages quote from the newest whole run of each bench, and prints what has become of the goals. */
export function writeReport(): void {
  const all = newestResults()
  if (all === undefined) throw new UsageError('There is no whole run of the bench "http" yet: pnpm bench http')
  const blocks = blocksOf(all)
  for (const page of PAGES) {
    const file = path.join(root, page)
    writeFileSync(file, withBlocks(readFileSync(file, 'utf8'), blocks))
  }
  writeFileSync(path.join(root, CHART), chart(all.http))
  // The results as well: what is kept is formatted like everything else.
  execFileSync(path.join(root, 'node_modules/.bin/oxfmt'), [...PAGES, 'bench/results'], { cwd: root })
  console.log(`${[...PAGES, CHART].join(', ')}: written from the runs of ${all.http.at.slice(0, 10)}`)
  printGoals(all)
}
