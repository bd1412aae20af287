import { pathToRegexp } from 'path-to-regexp'
import type { FlatToken } from '../definition/endpoint-key.ts'
import type { Branch, Leaf, Methods, Node } from './endpoint-node.ts'

type Tokens = readonly FlatToken[]

/** A path that is about to be added to a tree. */
interface Newcomer {
  readonly method: string
  readonly tokens: Tokens
  readonly segments: readonly Tokens[]
}

/**
 * The endpoints of a tree that may meet a request the newcomer meets, in order. It walks where both may lead, segment by
 * segment; one too many costs a comparison when a request comes, one too few would be a guard walked around.
 */
export function rivalsOf<T>(root: Node<T>, newcomer: Newcomer, ignoreCase: boolean): Leaf<T>[] {
  const found = new Set<Leaf<T>>()
  const fold = (text: string): string => (ignoreCase ? text.toLowerCase() : text)
  const collect = (methods: Methods<T>): void => {
    for (const leaf of methods.values())
      if (shareMethods(leaf.method, newcomer.method) && mayBeAlike(leaf.tokens, newcomer.tokens, fold)) found.add(leaf)
  }
  const everything = (node: Node<T>): void => {
    collect(node.methods)
    for (const { methods } of node.rests) collect(methods)
    for (const next of childrenOf(node)) everything(next)
  }
  const walk = (node: Node<T>, at: number): void => {
    for (const { methods } of node.rests) collect(methods)
    const segment = newcomer.segments[at]
    if (segment === undefined) {
      collect(node.methods)
      collectFrom(node.literals.get(''))
    } else if (segment.some(({ type }) => type === 'wildcard')) {
      const head = fold(headOf(segment))
      for (const [text, next] of node.literals) if (text.startsWith(head)) everything(next)
      for (const next of childrenOf(node, true)) everything(next)
    } else if (segment.length === 0) {
      descend(node.literals.get(''), at)
      if (at === newcomer.segments.length - 1) collect(node.methods)
    } else through(node, segment, at)
  }
  const collectFrom = (node: Node<T> | undefined): void => {
    if (node !== undefined) collect(node.methods)
  }
  const descend = (node: Node<T> | undefined, at: number): void => {
    if (node !== undefined) walk(node, at + 1)
  }
  const through = (node: Node<T>, segment: Tokens, at: number): void => {
    const text = textOf(segment)
    const regexp = text === undefined && segment.length > 1 ? regexpOf(segment, ignoreCase) : undefined
    if (text !== undefined) descend(node.literals.get(fold(text)), at)
    else
      for (const [literal, next] of node.literals)
        if (literal !== '' && (regexp?.test(literal) ?? true)) descend(next, at)
    for (const branch of node.mixed) if (mayPass(branch, segment, text, fold)) descend(branch.node, at)
    descend(node.parameter, at)
  }
  walk(root, 0)
  return [...found].toSorted((a, b) => a.position - b.position)
}

/** What the whole path has to match, a trailing slash aside. */
export function regexpOf(tokens: Tokens, ignoreCase: boolean): RegExp {
  return pathToRegexp({ tokens: [...tokens] }, { sensitive: !ignoreCase }).regexp
}

function mayPass(
  { regexp, tokens }: Branch,
  segment: Tokens,
  text: string | undefined,
  fold: (text: string) => string,
): boolean {
  return text === undefined ? mayBeAlike(tokens, segment, fold) : regexp.test(text)
}

function* childrenOf<T>({ literals, mixed, parameter }: Node<T>, withoutLiterals = false): Iterable<Node<T>> {
  if (!withoutLiterals) yield* literals.values()
  for (const { node } of mixed) yield node
  if (parameter !== undefined) yield parameter
}

function shareMethods(one: string, other: string): boolean {
  if (one === other || one === '*' || other === '*') return true
  return (one === 'GET' && other === 'HEAD') || (one === 'HEAD' && other === 'GET')
}

/** Whether how they begin and how they end leaves a text that is both. */
function mayBeAlike(one: Tokens, other: Tokens, fold: (text: string) => string): boolean {
  const [head, otherHead] = [fold(headOf(one)), fold(headOf(other))]
  if (!head.startsWith(otherHead) && !otherHead.startsWith(head)) return false
  const [tail, otherTail] = [fold(tailOf(one)), fold(tailOf(other))]
  return tail.endsWith(otherTail) || otherTail.endsWith(tail)
}

const headOf = (tokens: Tokens): string => {
  const first = tokens[0]
  return first?.type === 'text' ? first.value : ''
}

/** Slashes at the end do not count: a path may have one more than its request, or one less. */
const tailOf = (tokens: Tokens): string => {
  const last = tokens.at(-1)
  return last?.type === 'text' ? last.value.replace(/\/+$/, '') : ''
}

const textOf = (segment: Tokens): string | undefined =>
  segment.length === 1 && segment[0]!.type === 'text' ? segment[0]!.value : undefined
