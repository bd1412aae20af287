import { ignoresCase } from '../definition/loose-case.ts'
import { matchForm, restOf } from '../http/path.ts'
import type { CompiledApi } from './compiled-api.ts'

/** What an index has to know of an API. */
type Listed = Pick<CompiledApi, 'info' | 'definition'>

/** An API and what is left of the path below its listen path. */
export interface ApiMatch<A extends Listed = CompiledApi> {
  readonly api: A
  readonly path: string
  /** It is the listen path itself, without a slash behind it. */
  readonly bare: boolean
  /** The path was respelled: slashes behind the listen path are one, and that has its own spelling. */
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
      const listenPath = matchForm(api.definition.listenPath)
      if (ignoresCase(api.definition)) this.#loose.set(listenPath.toLowerCase(), api)
      else this.#exact.set(listenPath, api)
    }
    this.#longest = Math.max(...apis.map((api) => matchForm(api.definition.listenPath).length))
    // An id beats a name of another API that reads the same.
    this.#byRef = new Map([
      ...apis.map((api) => [api.info.name, api] as const),
      ...apis.map((api) => [api.info.id, api] as const),
    ])
  }

  /** `path` must be canonical. */
  find(path: string): ApiMatch<A> | undefined {
    const match = this.#longestOf(path)
    if (match === undefined) return undefined
    const { listenPath } = match.api.definition
    if (!match.respelled && path.startsWith(listenPath)) return match
    // As it is sent on it may lie below another API, which is not to be walked around.
    const again = this.find(match.bare ? listenPath : listenPath + match.path)
    return again && { ...again, respelled: match.respelled || again.respelled }
  }

  #longestOf(path: string): ApiMatch<A> | undefined {
    const form = matchForm(path)
    const lowerCase = this.#loose.size === 0 ? form : form.toLowerCase()
    let end = form.length <= this.#longest ? form.length : form.lastIndexOf('/', this.#longest)
    while (end > 0) {
      const api = this.#exact.get(form.slice(0, end)) ?? this.#loose.get(lowerCase.slice(0, end))
      if (api !== undefined) return matched(api, path, form === path ? end : endIn(path, form, end))
      end = form.lastIndexOf('/', end - 1)
    }
    const root = this.#exact.get('/') ?? this.#loose.get('/')
    return root === undefined ? undefined : { api: root, path, bare: false, respelled: false }
  }

  /** By id or by name. */
  get(ref: string): A | undefined {
    return this.#byRef.get(ref)
  }
}

/** The listen path of `api` ends there in `path`. */
function matched<A extends Listed>(api: A, path: string, end: number): ApiMatch<A> {
  const { listenPath } = api.definition
  const rest = restOf(path, end)
  const isAll = end === path.length
  const isSpelt = path.startsWith(listenPath) || path.slice(0, end).toLowerCase() === listenPath.toLowerCase()
  return {
    api,
    path: rest,
    bare: isAll && end > 1,
    respelled: !isSpelt || (!isAll && rest.length !== path.length - end),
  }
}

/** The end of as many segments in a path as lie before `end` in its form for comparing. */
function endIn(path: string, form: string, end: number): number {
  let at = 0
  for (let i = form.indexOf('/', 1); i !== -1 && i < end; i = form.indexOf('/', i + 1)) at = path.indexOf('/', at + 1)
  const next = path.indexOf('/', at + 1)
  return next === -1 ? path.length : next
}
