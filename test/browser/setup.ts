import { execFile } from 'node:child_process'
import path from 'node:path'
import { promisify } from 'node:util'
import type { TestProject } from 'vitest/node'

declare module 'vitest' {
  export interface ProvidedContext {
    /** The path of a Chromium, or null where none could be found. */
    chromium: string | null
  }
}

const run = promisify(execFile)

export default async function setup(project: TestProject): Promise<void> {
  const found = await findBrowser()
  project.provide('chromium', found ?? null)
  if (found !== undefined) return
  const advice = 'no Chromium: run scripts/get-chromium as root (Debian), or set POSTERN_CHROMIUM'
  if (process.env['CI'] === undefined) console.warn(`\n!!! THE TESTS IN A BROWSER ARE SKIPPED: ${advice}\n`)
  else throw new Error(advice)
}

async function findBrowser(): Promise<string | undefined> {
  const names = ['chromium', 'chromium-browser', 'google-chrome-stable', 'google-chrome']
  const folders = (process.env['PATH'] ?? '').split(path.delimiter)
  const own = process.env['POSTERN_CHROMIUM']
  const places = names.flatMap((name) => folders.map((folder) => path.join(folder, name)))
  for (const file of own === undefined || own === '' ? places : [own]) {
    const works = await run(file, ['--version'], { timeout: 20_000 }).then(
      () => true,
      () => false,
    )
    if (works) return file
  }
  return undefined
}
