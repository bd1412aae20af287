import {
  type Alias,
  Composer,
  CST,
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  type ParsedNode,
  Parser,
} from 'yaml'
import { type Fault, MAX_DEPTH, Members, type Place, type Placed, type Reading, TOO_DEEP, Unreadable } from './text.ts'

/** What aliases may add to a document, in values: a few lines of them can stand for billions. */
const MAX_REPEATED = 100_000

/** YAML 1.2 with its core schema: one document for each `---`. Documents with nothing in them are passed over. */
export function readYaml(text: string): Reading {
  const control = CONTROL.exec(text)
  if (control !== null)
    return { documents: [], faults: [{ offset: control.index, message: `found ${named(control[0])}` }] }
  const tokens = [...new Parser().parse(text)]
  // Before the library looks: its stack, not only ours, would be exhausted.
  const deep = tooDeep(tokens)
  if (deep !== undefined) return { documents: [], faults: [{ offset: deep, message: TOO_DEEP }] }
  const composer = new Composer({
    version: '1.2',
    schema: 'core',
    merge: false,
    resolveKnownTags: false,
    stringKeys: true,
    // `Members` sees them, without comparing each key with each other.
    uniqueKeys: false,
    logLevel: 'silent',
  })
  const documents: Placed[] = []
  const faults: Fault[] = []
  for (const document of composer.compose(tokens, false, text.length)) {
    const ofSyntax = syntaxFaults(document)
    faults.push(...ofSyntax)
    if (ofSyntax.length > 0 || isEmpty(document)) continue
    try {
      documents.push(new YamlReader(faults).value(document.contents, 0))
    } catch (error) {
      if (!(error instanceof Unreadable)) throw error
      faults.push({ offset: error.offset, message: error.message })
    }
  }
  return { documents, faults }
}

// eslint-disable-next-line no-control-regex
const CONTROL = /[\u0000-\u0008\u000B\u000C\u000E-\u001F\u007F]/

function named(control: string): string {
  return `the control character U+${control.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0')}`
}

function tooDeep(tokens: readonly CST.Token[]): number | undefined {
  const waiting = tokens.map((token) => ({ token, depth: 0 }))
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const { token, depth } = next
    if (depth > MAX_DEPTH) return token.offset
    if (token.type === 'document') {
      if (token.value !== undefined) waiting.push({ token: token.value, depth })
    } else if (CST.isCollection(token)) {
      for (const { key, value } of token.items)
        for (const inner of [key, value]) if (inner) waiting.push({ token: inner, depth: depth + 1 })
    }
  }
  return undefined
}

const MESSAGES: Readonly<Record<string, string>> = {
  NON_STRING_KEY: 'found a key that is no text',
}

function syntaxFaults({ errors, warnings, directives }: Document.Parsed): Fault[] {
  const faults = [...errors, ...warnings].map(({ code, message, pos }) => ({
    offset: pos[0],
    message: MESSAGES[code] ?? message,
  }))
  const { version } = directives.yaml
  if (version !== '1.2') faults.push({ offset: 0, message: `found %YAML ${version}, expected 1.2` })
  return faults
}

function isEmpty({ contents }: Document.Parsed): boolean {
  return contents === null || (isScalar(contents) && contents.value === null && contents.source === '')
}

/** Takes the tree of one document apart. */
class YamlReader {
  readonly #faults: Fault[]
  readonly #anchors = new Map<string, ParsedNode>()
  /** What an alias repeats is what its anchor named where the alias stands, also when that part is itself repeated. */
  readonly #targets = new Map<Alias, ParsedNode>()
  readonly #open = new Set<ParsedNode>()
  #repeating = 0
  /** Where the alias stands that all this is repeated for. */
  #outermost = 0
  #repeated = 0

  constructor(faults: Fault[]) {
    this.#faults = faults
  }

  value(node: ParsedNode | null, depth: number, at = 0): Placed {
    if (node === null) return { value: null, place: { offset: at } }
    const [offset] = node.range
    if (depth > MAX_DEPTH) throw new Unreadable(offset, TOO_DEEP)
    if (this.#repeating > 0) this.#repeated += 1
    if (this.#repeated > MAX_REPEATED)
      throw new Unreadable(this.#outermost, `the aliases up to here stand for more than ${MAX_REPEATED} values`)
    if (isAlias(node)) return this.#alias(node, depth)
    this.#remember(node)
    this.#open.add(node)
    const placed = isMap(node)
      ? this.#map(node, depth)
      : isSeq(node)
        ? this.#sequence(node, depth)
        : { value: node.value, place: { offset } }
    this.#open.delete(node)
    return placed
  }

  #remember(node: ParsedNode): void {
    if (this.#repeating === 0 && !isAlias(node) && node.anchor !== undefined) this.#anchors.set(node.anchor, node)
  }

  #map({ items, range: [offset] }: ParsedNode & { items: readonly Member[] }, depth: number): Placed {
    const members = new Members()
    for (const { key, value } of items) {
      const [start] = key.range
      if (!isScalar(key) || typeof key.value !== 'string') {
        this.#faults.push({ offset: start, message: MESSAGES['NON_STRING_KEY']! })
        continue
      }
      if (key.value === '<<' && key.type === 'PLAIN')
        this.#faults.push({ offset: start, message: 'found the merge key "<<", which YAML 1.2 does not have' })
      this.#remember(key)
      members.add(key.value, start, this.value(value, depth + 1, start), this.#faults)
    }
    return { value: members.value, place: { offset, inside: members.inside } }
  }

  #sequence({ items, range: [offset] }: ParsedNode & { items: readonly ParsedNode[] }, depth: number): Placed {
    const value: unknown[] = []
    const inside = new Map<number, Place>()
    for (const item of items) {
      const placed = this.value(item, depth + 1)
      inside.set(value.length, placed.place)
      value.push(placed.value)
    }
    return { value, place: { offset, inside } }
  }

  /** Stands where it stands; what is inside stands where its anchor is. */
  #alias(alias: Alias.Parsed, depth: number): Placed {
    const [offset] = alias.range
    const target = this.#targets.get(alias) ?? this.#anchors.get(alias.source)
    if (target === undefined)
      throw new Unreadable(offset, `found *${alias.source}, but nothing above is &${alias.source}`)
    if (this.#open.has(target)) throw new Unreadable(offset, `found *${alias.source} inside &${alias.source} itself`)
    this.#targets.set(alias, target)
    if (this.#repeating === 0) this.#outermost = offset
    this.#repeating += 1
    const { value, place } = this.value(target, depth)
    this.#repeating -= 1
    return { value, place: { ...place, offset } }
  }
}

interface Member {
  readonly key: ParsedNode
  readonly value: ParsedNode | null
}
