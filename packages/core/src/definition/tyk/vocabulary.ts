import { type Fields, isFields } from '../../fields.ts'
import { describe } from '../../errors.ts'
import { nearest } from '../../nearest.ts'
import type { Place } from './document.ts'

/** True: it holds. A text: it does not hold although it is switched on, and why. The innermost of the objects around it is first. */
export type When = (value: unknown, around: readonly Fields[]) => boolean | string

/** Whether an end has to be kept. Samples of Tyk name the year 3000; `-1` is no end at all. */
export const endsInOurTime: When = (value) =>
  value !== '-1' && (!/^(?:2[1-9]|[3-9]\d)\d\d-/.test(String(value)) || 'ignored, it is a date nobody waits for')

export type Off = 'disabled' | undefined

/** What something is, what would do instead, and when it holds if switching it on is not enough. */
type Refusal = readonly [what: string, hint: string, when?: When]

/**
 * Every field a dialect has. Paths are written `a.b`, with `*` for any key, `[]` for the elements of an array and
 * `{b,c}` for each of several. What is below an ignored or a refused field belongs to it.
 */
export interface Vocabulary {
  /** The field that switches an object off, whatever else it says; the other dialect knows only `enabled`. */
  readonly off?: Off
  /** What the translation reads: paths with spaces between. */
  readonly read: string
  /** What says nothing by itself: names, and settings of what is switched on elsewhere. */
  readonly silent: string
  /** What would not be missed by those who call, with what becomes of it. */
  readonly ignored: Readonly<Record<string, string>>
  /** What would have protected something, or changed what clients or upstreams get. */
  readonly refused: Readonly<Record<string, Refusal>>
}

interface Node {
  readonly fields: Map<string, Node>
  any?: Node
  items?: Node
  silent?: true
  ignored?: string
  refused?: Refusal
}

const newNode = (): Node => ({ fields: new Map() })

/** Makes a tree of the rows, and of it what checks a document. */
export function compileVocabulary(vocabulary: Vocabulary): (document: Place) => void {
  const root = newNode()
  const leaves = (paths: string): Node[] => expandPaths(paths).map((path) => path.split('.').reduce(step, root))
  leaves(vocabulary.read)
  for (const node of leaves(vocabulary.silent)) node.silent = true
  for (const [paths, what] of Object.entries(vocabulary.ignored)) for (const node of leaves(paths)) node.ignored = what
  for (const [paths, refusal] of Object.entries(vocabulary.refused))
    for (const node of leaves(paths)) node.refused = refusal
  const rules: Rules = { off: vocabulary.off, homes: homesOf(vocabulary) }
  return (document) => checkObject(document, root, [], rules)
}

interface Rules {
  readonly off: Off
  /** Names of fields that mean something, and where. */
  readonly homes: ReadonlyMap<string, string>
}

function homesOf({ read, refused }: Vocabulary): Map<string, string> {
  const homes = new Map<string, string>()
  for (const path of [...Object.keys(refused), read].flatMap(expandPaths)) {
    const keys = path.replaceAll('[]', '').split('.')
    for (const [i, key] of keys.entries())
      if (key !== '*' && key !== '' && !homes.has(key)) homes.set(key, keys.slice(0, i + 1).join('.'))
  }
  return homes
}

/** `a.{b,c} d` is `a.b`, `a.c` and `d`. */
export function expandPaths(paths: string): string[] {
  const words = paths.split(/\s+/).filter((word) => word !== '')
  return words.flatMap(expandPath)
}

function expandPath(path: string): string[] {
  const [, before = '', choices, after = ''] = /^([^{]*)\{([^}]*)\}(.*)$/.exec(path) ?? []
  if (choices === undefined) return [path]
  return choices.split(',').flatMap((choice) => expandPath(`${before}${choice}${after}`))
}

function step(node: Node, name: string): Node {
  const key = name.replace('[]', '')
  let child = key === '*' ? node.any : node.fields.get(key)
  child ??= newNode()
  if (key === '*') node.any = child
  else node.fields.set(key, child)
  if (!name.endsWith('[]')) return child
  child.items ??= newNode()
  return child.items
}

function checkObject(place: Place, node: Node, around: readonly Fields[], rules: Rules): void {
  const { value } = place
  if (!isFields(value)) {
    place.problem(`found ${describe(value)}, expected an object`)
    return
  }
  if (rules.off === undefined && node.fields.has('enabled')) checkSwitch(place, value, node)
  for (const [key, field] of place.entries()) {
    const known = node.fields.get(key) ?? node.any
    if (known !== undefined) checkField(field, known, [value, ...around], rules)
    else if (field.present && !/^(?:\$|_|x-)/.test(key)) unknownField(field, key, [...node.fields.keys()], rules)
  }
}

/** What is neither on nor off is off in the real gateway: its author will hardly have meant that. */
function checkSwitch(place: Place, value: Fields, { fields }: Node): void {
  // Of another type than it should have is told where it is read.
  if (place.at('enabled').present) return
  const says = [...fields.keys()].some((key) => key !== 'enabled' && isOn(own(value, key)))
  if (says) place.at('enabled').missing('true or false')
}

function checkField(place: Place, node: Node, around: readonly Fields[], rules: Rules): void {
  const { refused, ignored, items } = node
  if (!place.present || node.silent === true) return
  if (refused !== undefined) refuse(place, refused, around, rules)
  else if (ignored !== undefined) {
    if (isOn(place.value, rules.off)) place.warn(`ignored: ${ignored}`)
  } else if (items !== undefined) {
    if (!Array.isArray(place.value)) place.problem(`found ${describe(place.value)}, expected an array`)
    else if (items.fields.size > 0) for (const item of place.list()) checkObject(item, items, around, rules)
  } else if (node.fields.size > 0 || node.any !== undefined) checkObject(place, node, around, rules)
}

function refuse(place: Place, [what, hint, when]: Refusal, around: readonly Fields[], { off }: Rules): void {
  if (!isOn(place.value, off)) return
  const holds = when === undefined || when(place.value, around)
  if (typeof holds === 'string') place.warn(`${what}: ${holds}`)
  else if (holds) place.problem(`${what} is not supported; ${hint}`)
}

/** What a guard nobody here has heard of may be called. */
const GUARD =
  /auth|jwt|oidc|certificat|allow|block|white_?list|black_?list|signature|validat|firewall|hmac|mtls|mutual|restriction|acl|deny|limit|csrf|waf|rbac|threat/i

function unknownField(place: Place, key: string, known: readonly string[], { off, homes }: Rules): void {
  const meant = nearest(key, known)
  const home = homes.get(key)
  if (meant !== undefined) place.problem(`unknown key; did you mean "${meant}"?`, meant)
  else if (home !== undefined && isOn(place.value, off))
    place.problem(`unknown key, which belongs elsewhere: ${home} means something`)
  else if (GUARD.test(key) && isOn(place.value, off))
    place.problem('unknown key, which reads as if it protected something; take it out if it does not')
  else place.warn('ignored: unknown key')
}

/** Deeper data is on, whatever it is. */
const MAX_DEPTH = 8

/** Whether somebody has switched it on: zero values are off, and so is what says so in the words of its dialect. */
export function isOn(value: unknown, off?: Off): boolean {
  return isOnBelow(value, 0, new Set(), off)
}

/** What has been seen is being looked at already, or was off: shared data and cycles are walked once. */
function isOnBelow(value: unknown, depth: number, seen: Set<unknown>, off: Off): boolean {
  if (value === undefined || value === null || value === false || value === 0 || value === '') return false
  if (typeof value !== 'object') return true
  if (seen.has(value)) return false
  if (depth === MAX_DEPTH) return true
  seen.add(value)
  const anyOn = (values: readonly unknown[]): boolean => values.some((inner) => isOnBelow(inner, depth + 1, seen, off))
  if (Array.isArray(value)) return anyOn(value)
  const fields = value as Fields
  if (off !== undefined && own(fields, off) === true) return false
  const flag = ['enabled', 'enable', 'is_enabled', 'enable_cache'].find((name) => Object.hasOwn(fields, name))
  if (flag !== undefined) return isOn(fields[flag], off)
  return anyOn(Object.entries(fields).flatMap(([key, inner]) => (key === 'disabled' ? [] : [inner])))
}

/** A field of the document itself, never of a prototype. */
export function own(fields: Fields | undefined, name: string): unknown {
  return fields !== undefined && Object.hasOwn(fields, name) ? fields[name] : undefined
}
