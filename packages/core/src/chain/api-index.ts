import { below } from '../http/path.ts'
import type { CompiledApi } from './compiled-api.ts'

/** An API and what is left of the path below its listen path. */
export interface ApiMatch {
  readonly api: CompiledApi
  readonly path: string
}

/** The APIs of a gateway by listen path: the longest that the path lies below wins, whatever their number. */
export class ApiIndex {
  readonly #byListenPath: ReadonlyMap<string, CompiledApi>
  readonly #byRef: ReadonlyMap<string, CompiledApi>
  readonly all: readonly CompiledApi[]

  constructor(apis: readonly CompiledApi[]) {
    this.all = apis
    this.#byListenPath = new Map(apis.map((api) => [api.definition.listenPath, api]))
    // An id beats a name of another API that reads the same.
    this.#byRef = new Map([
      ...apis.map((api) => [api.info.name, api] as const),
      ...apis.map((api) => [api.info.id, api] as const),
    ])
  }

  /** `path` must be canonical. */
  find(path: string): ApiMatch | undefined {
    let end = path.length
    while (end > 0) {
      const api = this.#byListenPath.get(path.slice(0, end))
      const rest = api === undefined ? undefined : below(api.definition.listenPath, path)
      if (api !== undefined && rest !== undefined) return { api, path: rest }
      end = path.lastIndexOf('/', end - 1)
    }
    const root = this.#byListenPath.get('/')
    return root === undefined ? undefined : { api: root, path }
  }

  /** By id or by name. */
  get(ref: string): CompiledApi | undefined {
    return this.#byRef.get(ref)
  }
}
