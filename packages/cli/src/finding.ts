/** One thing `check` has to say. */
export interface Finding {
  /** Errors stop a gateway from starting; warnings are most likely mistakes; hints may be. */
  readonly severity: 'error' | 'warning' | 'hint'
  /** `definition`, `ignored`, or the id of a lint. */
  readonly rule: string
  readonly message: string
  /** Where in the definition; empty for all of it. */
  readonly path: string
  /** The name of the API. */
  readonly api?: string | undefined
  readonly file?: string | undefined
  /** From 1. */
  readonly line?: number | undefined
  /** From 1. */
  readonly column?: number | undefined
}

const RANKS = { error: 0, warning: 1, hint: 2 }

/** By file and place, the gravest of a place first; what has no place in a file comes first. */
export function sorted(findings: readonly Finding[]): Finding[] {
  return findings.toSorted(
    (a, b) =>
      compare(a.file ?? '', b.file ?? '') ||
      (a.line ?? 0) - (b.line ?? 0) ||
      (a.column ?? 0) - (b.column ?? 0) ||
      RANKS[a.severity] - RANKS[b.severity],
  )
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
