import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { machine } from '../machine.ts'
import type { Figures, HttpResults } from './results.ts'

/** `bench/results`, from the sources as from what they are compiled to. */
const folder = path.resolve(import.meta.dirname, '../../results')

/** Keeps a run; what was only a part of one is kept apart, where no report looks. Returns where. */
export function keep(results: Figures | HttpResults, whole: boolean): string {
  const place = whole ? folder : path.join(folder, 'partial')
  mkdirSync(place, { recursive: true })
  const file = path.join(place, `${results.bench}-${results.at.slice(0, 19).replaceAll(':', '')}.json`)
  writeFileSync(file, `${JSON.stringify(results, rounded)}\n`)
  return path.relative(process.cwd(), file)
}

interface Cost {
  readonly name: string
  readonly ns: readonly number[]
  readonly bytes: number | undefined
}

export function keepFigures(bench: string, costs: readonly Cost[], whole: boolean): void {
  const figures: Figures = {
    bench,
    at: new Date().toISOString(),
    machine: machine(),
    ns: Object.fromEntries(costs.map(({ name, ns }) => [name, ns])),
    bytes: Object.fromEntries(costs.flatMap(({ name, bytes }) => (bytes === undefined ? [] : [[name, bytes]]))),
  }
  console.log(`\nkept in ${keep(figures, whole)}`)
}

/** Everything a report tells, each from its newest whole run. */
export interface AllResults {
  readonly http: HttpResults
  readonly chain: Figures | undefined
  readonly matching: Figures | undefined
  readonly limits: Figures | undefined
  readonly growth: Figures | undefined
}

/** Undefined without a run of `http`. */
export function newestResults(): AllResults | undefined {
  const http = newest('http') as HttpResults | undefined
  if (http === undefined) return undefined
  const figures = (bench: string): Figures | undefined => newest(bench) as Figures | undefined
  return {
    http,
    chain: figures('chain'),
    matching: figures('matching'),
    limits: figures('limits'),
    growth: figures('growth'),
  }
}

function newest(bench: string): unknown {
  const names = readdirSync(folder).filter((name) => name.startsWith(`${bench}-`) && name.endsWith('.json'))
  const name = names.toSorted().at(-1)
  return name === undefined ? undefined : JSON.parse(readFileSync(path.join(folder, name), 'utf8'))
}

/** Five digits say more than was measured. */
function rounded(_key: string, value: unknown): unknown {
  return typeof value === 'number' && !Number.isInteger(value) ? Number(value.toPrecision(5)) : value
}
