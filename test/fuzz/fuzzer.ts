import type { Arbitrary } from 'fast-check'

/** What is made up, and what must hold for all of it. */
export interface Fuzzer<T> {
  readonly input: Arbitrary<T>
  /** How much one input is. */
  readonly count: (input: T) => number
  /** How an input is written down where it was a finding. */
  readonly show: (input: T) => string
  start(): Promise<Attacked<T>>
}

/** What is attacked; closed by `closeAll`. */
export interface Attacked<T> {
  /** Rejects with what was found. */
  check(input: T): Promise<void>
}

/** Fails a check. */
export function found(what: string, details: Readonly<Record<string, unknown>> = {}): never {
  throw new Error(`${what} ${JSON.stringify(details)}`)
}

/** Waits for all, so that nothing of one check is under way in the next, and fails with the first that failed. */
export async function allOf(checks: readonly Promise<void>[]): Promise<void> {
  const outcomes = await Promise.allSettled(checks)
  for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason
}
