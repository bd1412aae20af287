import { type Family, labelText, numberText, type Sample, withLabel } from './exposition.ts'

/** What numbers are counted under when there are more combinations of labels than are kept. */
const OTHER = '_other'

/** Values of labels, one level for each: finding a series makes no text. */
type Level<T> = Map<string, Level<T> | T>

/** One series for each combination of labels, but not without end: what comes beyond is counted together. */
class Series<T extends object> {
  readonly #names: readonly string[]
  readonly #most: number
  readonly #make: () => T
  readonly #root: Level<T> = new Map()
  readonly #known: [labels: string, series: T][] = []
  #rest: T | undefined

  constructor(names: readonly string[], most: number, make: () => T) {
    this.#names = names
    this.#most = most
    this.#make = make
  }

  of(values: readonly string[]): T {
    let found: Level<T> | T | undefined = this.#root
    for (const value of values) {
      found = (found as Level<T>).get(value)
      if (found === undefined) return this.#add(values)
    }
    return found as T
  }

  #add(values: readonly string[]): T {
    if (this.#known.length >= this.#most) {
      this.#rest ??= this.#new(this.#names.map(() => OTHER))
      return this.#rest
    }
    const made = this.#new(values)
    let level = this.#root
    for (const value of values.slice(0, -1)) {
      const next = (level.get(value) ?? new Map()) as Level<T>
      level.set(value, next)
      level = next
    }
    level.set(values.at(-1)!, made)
    return made
  }

  #new(values: readonly string[]): T {
    const made = this.#make()
    this.#known.push([labelText(this.#names, values), made])
    return made
  }

  [Symbol.iterator](): Iterator<[labels: string, series: T]> {
    return this.#known[Symbol.iterator]()
  }
}

/** Goes up; a gauge goes down as well. */
export class Counter implements Family {
  readonly name: string
  readonly help: string
  readonly type: 'counter' | 'gauge'
  readonly #series: Series<{ value: number }>

  constructor(name: string, help: string, labels: readonly string[], most: number, type: Counter['type'] = 'counter') {
    this.name = name
    this.help = help
    this.type = type
    this.#series = new Series(labels, most, () => ({ value: 0 }))
  }

  add(values: readonly string[], amount = 1): void {
    this.#series.of(values).value += amount
  }

  readonly samples = (): Sample[] => [...this.#series].map(([labels, { value }]) => ({ suffix: '', labels, value }))
}

/** How often a value was at most that much, for each of some bounds. */
export class Histogram implements Family {
  readonly name: string
  readonly help: string
  readonly type = 'histogram'
  readonly #bounds: readonly number[]
  readonly #series: Series<{ readonly counts: number[]; sum: number }>

  constructor(name: string, help: string, labels: readonly string[], most: number, bounds: readonly number[]) {
    this.name = name
    this.help = help
    this.#bounds = [...bounds, Number.POSITIVE_INFINITY]
    this.#series = new Series(labels, most, () => ({ counts: this.#bounds.map(() => 0), sum: 0 }))
  }

  observe(values: readonly string[], value: number): void {
    const series = this.#series.of(values)
    series.sum += value
    series.counts[this.#bounds.findIndex((bound) => value <= bound)]! += 1
  }

  readonly samples = (): Sample[] => {
    const samples: Sample[] = []
    for (const [labels, { counts, sum }] of this.#series) {
      let count = 0
      for (const [i, bound] of this.#bounds.entries()) {
        count += counts[i]!
        samples.push({ suffix: '_bucket', labels: withLabel(labels, 'le', numberText(bound)), value: count })
      }
      samples.push({ suffix: '_sum', labels, value: sum }, { suffix: '_count', labels, value: count })
    }
    return samples
  }
}
