import type { ApiInfo, GatewayOptions } from '@postern/core'
import type { Routes } from './routes.ts'

/** What lints look at: definitions that are valid, and where requests to them go. */
export interface Linted {
  readonly apis: readonly ApiInfo[]
  readonly routes: Routes
  readonly options: GatewayOptions
}

/** Something valid that is most likely not what its author wants. */
export interface Remark {
  /** Undefined: of the options. */
  readonly api: ApiInfo | undefined
  /** Where in the native form: `endpoints["GET /x"]`. */
  readonly path: string
  readonly message: string
}

export interface Lint {
  readonly id: string
  readonly severity: 'warning' | 'hint'
  run(linted: Linted): Remark[]
}
