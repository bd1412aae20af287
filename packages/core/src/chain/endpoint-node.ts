import type { FlatToken } from '../definition/endpoint-key.ts'
import type { Expression } from '../session/expression.ts'

/** An endpoint at the end of one of its paths, or of its expression. */
export interface Leaf<T> {
  readonly key: string
  readonly value: T
  readonly method: string
  /** Its place in the list of endpoints. */
  readonly position: number
  readonly tokens: readonly FlatToken[]
  /** The parameters, in the order the walk captures their values. */
  readonly captures: readonly Exclude<FlatToken, { readonly type: 'text' }>[]
  /** All endpoints of its path, by method; it is one of them. */
  readonly methods: Methods<T>
  /** Where order counts: those listed before it that may meet the same requests, in order. */
  readonly rivals: readonly Leaf<T>[]
  /** Where order counts: how many expressions are listed before it. */
  readonly expressionsBefore: number
}

export type Methods<T> = Map<string, Leaf<T>>

export interface Branch {
  /** Source of the expression, to find the branch again while building. */
  readonly id: string
  readonly regexp: RegExp
  readonly tokens: readonly FlatToken[]
  readonly literalLength: number
}

export interface Node<T> {
  readonly literals: Map<string, Node<T>>
  /** Segments with text and parameters mixed, such as `:name.json`. */
  readonly mixed: (Branch & { readonly node: Node<T> })[]
  parameter: Node<T> | undefined
  /** From a segment with a wildcard on, the rest of the path is one expression. */
  readonly rests: (Branch & { readonly methods: Methods<T> })[]
  readonly methods: Methods<T>
}

/** An endpoint that is no path. */
export interface Searched<T> {
  readonly expression: Expression
  readonly leaf: Leaf<T>
}

export function createNode<T>(): Node<T> {
  return { literals: new Map(), mixed: [], parameter: undefined, rests: [], methods: new Map() }
}

/** A HEAD request is a GET without the body: a rule for GET must not be avoided by asking for less. */
export function leafFor<T>(methods: Methods<T>, method: string): Leaf<T> | undefined {
  return methods.get(method) ?? (method === 'HEAD' ? methods.get('GET') : undefined) ?? methods.get('*')
}

/** Whether an endpoint would be for the method even if it were not the first choice of its path. */
export function isFor<T>({ method: own, methods }: Leaf<T>, method: string): boolean {
  return own === method || own === '*' || (own === 'GET' && method === 'HEAD' && !methods.has('HEAD'))
}

/** Cuts the tokens of a path at the slashes of its text. */
export function segmentsOf(tokens: readonly FlatToken[]): FlatToken[][] {
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
