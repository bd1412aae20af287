import type { ApiInfo } from '../api.ts'

/** What a reload has changed. */
export interface ReloadReport {
  readonly added: readonly ApiInfo[]
  readonly removed: readonly ApiInfo[]
  readonly changed: readonly ApiChange[]
  /** How many APIs are as they were. */
  readonly unchanged: number
}

/** One API that is another one now. */
export interface ApiChange {
  readonly api: ApiInfo
  /** Keys of its definition that differ; `plugins`: the code in its plugin files. */
  readonly keys: readonly string[]
}
