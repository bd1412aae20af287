import { pathToRegexp } from 'path-to-regexp'
import { endpointExpression, type FlatToken, parseEndpointKey } from '../definition/endpoint-key.ts'
import { GatewayError } from '../errors.ts'
import type { PathParams } from '../hooks.ts'
import { decodedForm, decodedText, formsOf, matchForm } from '../http/path.ts'
import type { Expression } from '../session/expression.ts'

/** What was found for a request. */
export interface EndpointMatch<T> {
  readonly key: string
  readonly value: T
  readonly params: PathParams
}

interface Leaf<T> {
  readonly key: string
  readonly value: T
  /** The parameters, in the order the walk captures their values. */
  readonly captures: readonly Exclude<FlatToken, { readonly type: 'text' }>[]
}

type Methods<T> = Map<string, Leaf<T>>

interface Branch {
  /** Source of the expression, to find the branch again while building. */
  readonly id: string
  readonly regexp: RegExp
  readonly literalLength: number
}

interface Node<T> {
  readonly literals: Map<string, Node<T>>
  /** Segments with text and parameters mixed, such as `:name.json`. */
  readonly mixed: (Branch & { readonly node: Node<T> })[]
  parameter: Node<T> | undefined
  /** From a segment with a wildcard on, the rest of the path is one expression. */
  readonly rests: (Branch & { readonly methods: Methods<T> })[]
  readonly methods: Methods<T>
}

/** An endpoint that is no path. */
interface Searched<T> {
  readonly expression: Expression
  readonly methods: Methods<T>
}

/**
 * Finds the endpoint of a request in a time that does not depend on how many there are: a tree over path-to-regexp's
 * tokens, one level per segment. In every segment literal text beats mixed text, that a parameter, and that a wildcard;
 * a branch without the request's method gives way to the next one. Paths are compared whole, a trailing slash aside.
 * Expressions come after all paths, each in its turn: what they match cannot be known beforehand.
 */
export class EndpointTree<T> implements Iterable<{ readonly key: string; readonly value: T }> {
  readonly #root: Node<T> = createNode()
  readonly #ignoreCase: boolean
  readonly #entries: { readonly key: string; readonly value: T }[] = []
  readonly #searched: Searched<T>[] = []

  constructor(ignoreCase = false) {
    this.#ignoreCase = ignoreCase
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
    const { method, expression } = endpoint
    if (expression !== undefined) {
      const compiled = endpointExpression(expression, this.#ignoreCase)
      const captures = compiled.names.map((name) => ({ type: 'wildcard' as const, name }))
      this.#searched.push({ expression: compiled, methods: new Map([[method, { key, value, captures }]]) })
    }
    for (const tokens of endpoint.variants) {
      const captures = tokens.filter((token) => token.type !== 'text')
      const methods = this.#grow(segmentsOf(tokens))
      if (!methods.has(method)) methods.set(method, { key, value, captures })
    }
    this.#entries.push({ key, value })
  }

  /** `path` must be canonical. */
  find(method: string, path: string): EndpointMatch<T> | undefined {
    const values: string[] = []
    const leaf = this.#walk(this.#root, method, matchForm(path), 0, values)
    if (leaf !== undefined) return matchOf(leaf, paramsOf(leaf.captures, values))
    return this.#searched.length === 0 ? undefined : this.#search(method, path)
  }

  #search(method: string, path: string): EndpointMatch<T> | undefined {
    const forms = formsOf(path)
    const decoded = forms.length > 1 ? decodedForm(path) : undefined
    for (const { expression, methods } of this.#searched) {
      const leaf = leafFor(methods, method)
      if (leaf === undefined) continue
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
    return { id: regexp.source, regexp, literalLength }
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

function createNode<T>(): Node<T> {
  return { literals: new Map(), mixed: [], parameter: undefined, rests: [], methods: new Map() }
}

/** A HEAD request is a GET without the body: a rule for GET must not be avoided by asking for less. */
function leafFor<T>(methods: Methods<T>, method: string): Leaf<T> | undefined {
  return methods.get(method) ?? (method === 'HEAD' ? methods.get('GET') : undefined) ?? methods.get('*')
}

/** Cuts the tokens of a path at the slashes of its text. */
function segmentsOf(tokens: readonly FlatToken[]): FlatToken[][] {
  const segments: FlatToken[][] = []
  for (const token of tokens) {
    if (token.type !== 'text') {
      segments.at(-1)?.push(token)
      continue
    }
    for (const [i, text] of token.value.split('/').entries()) {
      if (i > 0) segments.push([])
      if (text !== '') segments.at(-1)?.push({ type: 'text', value: text })
    }
  }
  return segments
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
