/** What the page is sent. Everything in it is masked and cut; the page shows it as text. */

/** One thing a plugin changed; null where there was, or is, nothing. */
export interface ShownChange {
  readonly name: string
  readonly before: string | null
  readonly after: string | null
}

export interface ShownSpan {
  readonly kind: 'hook' | 'plugin' | 'upstream'
  readonly hook: string
  readonly name: string
  /** Milliseconds since the request came in. */
  readonly at: number
  ms: number
  outcome: string
  note: string
  changes: readonly ShownChange[]
}

export interface ShownRequest {
  readonly n: number
  readonly id: string
  readonly api: string
  /** Milliseconds since 1970. */
  readonly time: number
  readonly method: string
  readonly url: string
  /** The number of the request whose plugin made this one. */
  readonly parent: number | null
  status: number
  code: string
  ms: number
  readonly spans: ShownSpan[]
}

export interface ShownStep {
  readonly kind: 'hook' | 'check'
  readonly name: string
  readonly plugins: readonly string[]
  readonly why: string
}

interface ShownTarget {
  readonly url: string
  readonly weight: number
  readonly healthy: boolean
  readonly breaker: string
}

export interface ShownApi {
  readonly id: string
  readonly name: string
  readonly listenPath: string
  readonly steps: readonly ShownStep[]
  readonly endpoints: readonly { readonly key: string; readonly plugins: readonly string[] }[]
  readonly limits: readonly string[]
  readonly upstream: { readonly how: string; readonly targets: readonly ShownTarget[] }
}

export interface ShownEvent {
  readonly time: number
  readonly kind: string
  readonly text: string
  /** How often in a row. */
  readonly times: number
}
