/** One slice of load on one contestant. */
export interface Slice {
  readonly perSecond: number
  /** Of the contestant's process, for each request. */
  readonly cpuMicros: number
  /** Milliseconds. */
  readonly p50: number
  readonly p99: number
  readonly failed: number
}

/** One slice at a fixed rate; milliseconds, from when a request was due. */
export interface RateSlice {
  readonly p50: number
  readonly p90: number
  readonly p99: number
  readonly failed: number
  /** How late the load was with sending, at the 99th percentile. */
  readonly sentLate99: number
}

export interface Memory {
  /** Milliseconds from the start of the process to its first answer, one of each start. */
  readonly startMs: readonly number[]
  readonly idleMb: number
  /** The highest after any slice of a workload. */
  readonly underLoadMb: Readonly<Record<string, number>>
}

export interface Machine {
  readonly cpu: string
  readonly cores: number
  readonly kernel: string
  readonly node: string
}

/** What one run of `pnpm bench http` has found: a file below `bench/results/`. */
export interface HttpResults {
  readonly bench: 'http'
  /** ISO 8601. */
  readonly at: string
  readonly machine: Machine
  readonly versions: Readonly<Record<string, string>>
  readonly method: {
    readonly load: string
    readonly upstream: string
    readonly pinned: boolean
    readonly rounds: number
    readonly seconds: number
    /** Requests per second of the open loop. */
    readonly rate?: number
  }
  /** By name. */
  readonly labels: Readonly<Record<string, string>>
  /** By workload and contestant, one of each round. */
  readonly slices: Readonly<Record<string, Readonly<Record<string, readonly Slice[]>>>>
  readonly atRate: Readonly<Record<string, readonly RateSlice[]>>
  readonly memory: Readonly<Record<string, Memory>>
}

/** What a bench within the process has found: a file below `bench/results/`. */
export interface Figures {
  readonly bench: string
  readonly at: string
  readonly machine: Machine
  /** By name: of one time, one of each round. */
  readonly ns: Readonly<Record<string, readonly number[]>>
  /** Allocated each time, about. */
  readonly bytes: Readonly<Record<string, number>>
}
