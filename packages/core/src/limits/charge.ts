/** How requests are counted against a rate. */
export type RateAlgorithm = 'sliding-window' | 'fixed-window' | 'gcra'

/** One limit one request counts against. Limits of one subject live together: one process' map entry, one Redis slot. */
export interface Charge {
  readonly kind: RateAlgorithm | 'quota'
  /** Whose counter: a session's store id, or `api:<id>`. */
  readonly subject: string
  /** Part of the counter's name: an API, or what several APIs share; empty for the subject as a whole. */
  readonly scope: string
  /** Part of the counter's name: `GET /stock/:sku`; empty for all endpoints. */
  readonly endpoint: string
  /** How many may pass in a period; an integer, 1 or more; 0 lets nothing pass. */
  readonly max: number
  /** Milliseconds, above 0. A quota that never renews has `Infinity`. */
  readonly periodMs: number
}

/** Where a counter stands after a decision. */
export interface Standing {
  /** How many more may pass now. */
  readonly remaining: number
  /** Milliseconds until the limit gives more: the window's or the period's end, or the oldest request leaving it. `Infinity`: never. */
  readonly resetMs: number
}

/** A decision about one request: every charge was counted, or none was. */
export interface Taken {
  /** The first charge that refused; -1 when all were counted. */
  readonly refusedBy: number
  /** One for each charge, in order. */
  readonly standings: readonly Standing[]
}
