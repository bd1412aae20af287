import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'

/** `bench/results`, from the sources as from what they are compiled to. */
const folder = path.resolve(import.meta.dirname, '../../results')

/** Keeps a run; what was only a part of one is kept apart, where no report looks. Returns where. */
export function writeResults(results: { readonly bench: string; readonly at: string }, whole: boolean): string {
  const place = whole ? folder : path.join(folder, 'partial')
  mkdirSync(place, { recursive: true })
  const file = path.join(place, `${results.bench}-${results.at.slice(0, 19).replaceAll(':', '')}.json`)
  writeFileSync(file, `${JSON.stringify(results, undefined, 1)}\n`)
  return path.relative(process.cwd(), file)
}

/** The newest whole run of a bench. */
export function newest<T>(bench: string): T | undefined {
  const files = readdirSync(folder).filter((name) => name.startsWith(`${bench}-`) && name.endsWith('.json'))
  const file = files.toSorted().at(-1)
  return file === undefined ? undefined : (JSON.parse(readFileSync(path.join(folder, file), 'utf8')) as T)
}
