import { ignoresCase } from '../definition/loose-case.ts'
import { restOf } from '../http/path.ts'
import type { CompiledApi } from './compiled-api.ts'

/** What an index has to know of an API. */
type Listed = Pick<CompiledApi, 'info' | 'definition'>

/** An API and what is left of the path below its listen path. */
export interface ApiMatch<A extends Listed = CompiledApi> {
  readonly api: A
  readonly path: string
  /** It is the listen path itself, without a slash behind it. */
  readonly bare: boolean
  /** The path below was respelled: slashes behind the listen path are one. */
  readonly respelled: boolean
}

/** The APIs of a gateway by listen path: the longest that the path lies below wins, whatever their number. */
export class ApiIndex<A extends Listed = CompiledApi> {
  readonly #exact = new Map<string, A>()
  /** APIs met without regard to case, by their lower-case listen path. */
  readonly #loose = new Map<string, A>()
  /** No longer prefix of a path needs to be looked up. */
  readonly #longest: number
  readonly #byRef: ReadonlyMap<string, A>
  readonly all: readonly A[]

  constructor(apis: readonly A[]) {
    this.all = apis
    for (const api of apis) {
      const { listenPath } = api.definition
      if (ignoresCase(api.definition)) this.#loose.set(listenPath.toLowerCase(), api)
      else this.#exact.set(listenPath, api)
    }
    this.#longest = Math.max(...apis.map((api) => api.definition.listenPath.length))
    // An id beats a name of another API that reads the same.
    this.#byRef = new Map([
      ...apis.map((api) => [api.info.name, api] as const),
      ...apis.map((api) => [api.info.id, api] as const),
    ])
  }

  /** `path` must be canonical. */
  find(path: string): ApiMatch<A> | undefined {
    const match = this.#longestOf(path)
    if (match?.respelled !== true) return match
    // In the spelling it is sent on in it may lie below another API, which is not to be walked around.
    const { length } = match.api.definition.listenPath
    const again = this.find(path.slice(0, length) + match.path)
    return again && { ...again, respelled: true }
  }

  #longestOf(path: string): ApiMatch<A> | undefined {
    const lowerCase = this.#loose.size === 0 ? path : path.toLowerCase()
    let end = path.length <= this.#longest ? path.length : path.lastIndexOf('/', this.#longest)
    while (end > 0) {
      const api = this.#exact.get(path.slice(0, end)) ?? this.#loose.get(lowerCase.slice(0, end))
      if (api !== undefined) {
        const rest = restOf(path, end)
        const isAll = end === path.length
        return { api, path: rest, bare: isAll && end > 1, respelled: !isAll && rest.length !== path.length - end }
      }
      end = path.lastIndexOf('/', end - 1)
    }
    const root = this.#exact.get('/') ?? this.#loose.get('/')
    return root === undefined ? undefined : { api: root, path, bare: false, respelled: false }
  }

  /** By id or by name. */
  get(ref: string): A | undefined {
    return this.#byRef.get(ref)
  }
}
