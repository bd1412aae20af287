import { pathToRegexp } from 'path-to-regexp'
import type { EndpointOrder } from '../api-input.ts'
import { endpointExpression, type FlatToken, parseEndpointKey } from '../definition/endpoint-key.ts'
import { GatewayError } from '../errors.ts'
import type { PathParams } from '../hooks.ts'
import { decodedForm, decodedText, formsOf, matchForm } from '../http/path.ts'
import {
  type Branch,
  createNode,
  isFor,
  type Leaf,
  leafFor,
  type Methods,
  type Node,
  type Searched,
  segmentsOf,
} from './endpoint-node.ts'
import { regexpOf, rivalsOf } from './endpoint-rivals.ts'

/** What was found for a request. */
export interface EndpointMatch<T> {
  readonly key: string
  readonly value: T
  readonly params: PathParams
}

/**
 * Finds the endpoint of a request in a time that does not depend on how many there are: a tree over path-to-regexp's
 * tokens, one level per segment. In every segment literal text beats mixed text, that a parameter, and that a wildcard;
 * a branch without the request's method gives way to the next one. Paths are compared whole, a trailing slash aside.
 * Expressions come after all paths, each in its turn: what they match cannot be known beforehand.
 *
 * Where order counts (`listed`), what was found that way gives way to the first before it that meets the request as well.
 * Which those may be is known from building, so that it costs nothing where no paths overlap.
 */
export class EndpointTree<T> implements Iterable<{ readonly key: string; readonly value: T }> {
  readonly #root: Node<T> = createNode()
  readonly #ignoreCase: boolean
  readonly #listed: boolean
  readonly #entries: { readonly key: string; readonly value: T }[] = []
  readonly #searched: Searched<T>[] = []
  readonly #regexps = new WeakMap<Leaf<T>, RegExp>()

  constructor(ignoreCase = false, order: EndpointOrder = 'specific') {
    this.#ignoreCase = ignoreCase
    this.#listed = order === 'listed'
  }

  get size(): number {
    return this.#entries.length
  }

  [Symbol.iterator](): Iterator<{ readonly key: string; readonly value: T }> {
    return this.#entries[Symbol.iterator]()
  }

  /** Adds `METHOD /path` or `METHOD ~expression`; a key that does not parse throws `PSTN_DEFINITION_INVALID`. */
  add(key: string, value: T): void {
    const endpoint = parseEndpointKey(key)
    if (typeof endpoint === 'string')
      throw new GatewayError('PSTN_DEFINITION_INVALID', `endpoints[${JSON.stringify(key)}]: ${endpoint}`)
    const { method, expression, variants } = endpoint
    const common = {
      key,
      value,
      method,
      position: this.#entries.length,
      expressionsBefore: this.#listed ? this.#searched.length : 0,
    }
    if (expression !== undefined) {
      const compiled = endpointExpression(expression, this.#ignoreCase)
      const captures = compiled.names.map((name) => ({ type: 'wildcard' as const, name }))
      const leaf: Leaf<T> = { ...common, tokens: [], captures, methods: new Map(), rivals: [] }
      leaf.methods.set(method, leaf)
      this.#searched.push({ expression: compiled, leaf })
    }
    for (const tokens of variants) {
      const captures = tokens.filter((token) => token.type !== 'text')
      const segments = segmentsOf(tokens)
      const rivals = this.#listed ? rivalsOf(this.#root, { method, tokens, segments }, this.#ignoreCase) : []
      const methods = this.#grow(segments)
      if (!methods.has(method)) methods.set(method, { ...common, tokens, captures, methods, rivals })
    }
    this.#entries.push({ key, value })
  }

  /** `path` must be canonical. */
  find(method: string, path: string): EndpointMatch<T> | undefined {
    const values: string[] = []
    const form = matchForm(path)
    const leaf = this.#walk(this.#root, method, form, 0, values)
    if (leaf === undefined) return this.#search(method, path, this.#searched.length)
    return this.#earlier(leaf, method, path, form) ?? matchOf(leaf, paramsOf(leaf.captures, values))
  }

  /** The first that is listed before the leaf and meets the request as well. */
  #earlier(leaf: Leaf<T>, method: string, path: string, form: string): EndpointMatch<T> | undefined {
    const { rivals } = leaf
    for (const rival of rivals) {
      const found = isFor(rival, method) ? this.#regexpOf(rival).exec(form) : null
      if (found === null) continue
      const values = found.slice(1).map((value) => value ?? '')
      return this.#search(method, path, rival.expressionsBefore) ?? matchOf(rival, paramsOf(rival.captures, values))
    }
    return this.#search(method, path, leaf.expressionsBefore)
  }

  #regexpOf(leaf: Leaf<T>): RegExp {
    const known = this.#regexps.get(leaf)
    if (known !== undefined) return known
    const made = regexpOf(leaf.tokens, this.#ignoreCase)
    this.#regexps.set(leaf, made)
    return made
  }

  /** Among the first so many expressions. */
  #search(method: string, path: string, count: number): EndpointMatch<T> | undefined {
    if (count === 0) return undefined
    const forms = formsOf(path)
    const decoded = forms.length > 1 ? decodedForm(path) : undefined
    for (let i = 0; i < count; i += 1) {
      const { expression, leaf } = this.#searched[i]!
      if (!isFor(leaf, method)) continue
      for (const form of forms) {
        const found = expression.find(form)
        // Nothing is decoded twice.
        if (found !== undefined) return matchOf(leaf, paramsOf(leaf.captures, found, form === decoded))
      }
    }
    return undefined
  }

  #grow(segments: readonly FlatToken[][]): Methods<T> {
    let node = this.#root
    for (const [i, segment] of segments.entries()) {
      const [first] = segment
      if (segment.some((token) => token.type === 'wildcard')) return this.#rest(node, segments.slice(i))
      if (first === undefined) node = this.#literal(node, '')
      else if (segment.length === 1 && first.type === 'text') node = this.#literal(node, first.value)
      else if (segment.length === 1) node = node.parameter ??= createNode()
      else node = this.#mixed(node, segment)
    }
    return node.methods
  }

  #literal(node: Node<T>, text: string): Node<T> {
    const key = this.#ignoreCase ? text.toLowerCase() : text
    const next = node.literals.get(key) ?? createNode()
    node.literals.set(key, next)
    return next
  }

  #mixed(node: Node<T>, segment: readonly FlatToken[]): Node<T> {
    const branch = this.#branch(segment, false)
    const known = node.mixed.find(({ id }) => id === branch.id)
    if (known !== undefined) return known.node
    const next: Node<T> = createNode()
    insertBySpecificity(node.mixed, { ...branch, node: next })
    return next
  }

  #rest(node: Node<T>, segments: readonly FlatToken[][]): Methods<T> {
    const slash: FlatToken = { type: 'text', value: '/' }
    const branch = this.#branch(
      segments.flatMap((segment) => [slash, ...segment]),
      true,
    )
    const known = node.rests.find(({ id }) => id === branch.id)
    if (known !== undefined) return known.methods
    const methods: Methods<T> = new Map()
    insertBySpecificity(node.rests, { ...branch, methods })
    return methods
  }

  #branch(tokens: readonly FlatToken[], trailing: boolean): Branch {
    const { regexp } = pathToRegexp({ tokens }, { sensitive: !this.#ignoreCase, trailing })
    const literalLength = tokens.reduce((length, token) => length + (token.type === 'text' ? token.value.length : 0), 0)
    return { id: regexp.source, regexp, tokens, literalLength }
  }

  /** `at` is where the slash before the next segment stands, or the path's end. Each node is visited at most once. */
  #walk(node: Node<T>, method: string, path: string, at: number, values: string[]): Leaf<T> | undefined {
    if (at >= path.length) return leafFor(node.methods, method)
    const slash = path.indexOf('/', at + 1)
    const end = slash === -1 ? path.length : slash
    const segment = path.slice(at + 1, end)
    const captured = values.length

    const literal = node.literals.get(this.#ignoreCase ? segment.toLowerCase() : segment)
    if (literal !== undefined) {
      const leaf = this.#walk(literal, method, path, end, values)
      if (leaf !== undefined) return leaf
      values.length = captured
    }
    if (segment === '') {
      const leaf = end === path.length && at > 0 ? leafFor(node.methods, method) : undefined
      if (leaf !== undefined) return leaf
    } else {
      for (const { regexp, node: next } of node.mixed) {
        const match = regexp.exec(segment)
        if (match === null) continue
        values.push(...match.slice(1))
        const leaf = this.#walk(next, method, path, end, values)
        if (leaf !== undefined) return leaf
        values.length = captured
      }
      if (node.parameter !== undefined) {
        values.push(segment)
        const leaf = this.#walk(node.parameter, method, path, end, values)
        if (leaf !== undefined) return leaf
        values.length = captured
      }
    }
    return node.rests.length === 0 ? undefined : this.#walkRests(node, method, path.slice(at), values)
  }

  #walkRests(node: Node<T>, method: string, rest: string, values: string[]): Leaf<T> | undefined {
    for (const { regexp, methods } of node.rests) {
      const leaf = leafFor(methods, method)
      const match = leaf === undefined ? null : regexp.exec(rest)
      if (match === null) continue
      values.push(...match.slice(1))
      return leaf
    }
    return undefined
  }
}

function matchOf<T>({ key, value }: Leaf<T>, params: PathParams): EndpointMatch<T> {
  return { key, value, params }
}

/** More literal text first; equal ones stay in the order of the definition. */
function insertBySpecificity<B extends { readonly literalLength: number }>(branches: B[], branch: B): void {
  const at = branches.findIndex(({ literalLength }) => literalLength < branch.literalLength)
  branches.splice(at === -1 ? branches.length : at, 0, branch)
}

function paramsOf(captures: Leaf<unknown>['captures'], values: readonly string[], decoded = false): PathParams {
  const params = Object.create(null) as Record<string, string>
  for (let i = 0; i < captures.length; i += 1) {
    const { name, type } = captures[i]!
    const value = values[i] ?? ''
    if (decoded || !value.includes('%')) params[name] = value
    // Within a wildcard an escaped slash is data, the others separate: it stays escaped.
    else params[name] = type === 'wildcard' ? decodedForm(value) : decodedText(value)
  }
  return params
}
