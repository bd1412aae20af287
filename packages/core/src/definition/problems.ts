import type { z } from 'zod'
import { GatewayError } from '../errors.ts'
import { nearest } from '../nearest.ts'
import type { DefinitionSource } from '../source.ts'

/** One thing that is wrong with a definition. */
export interface Problem {
  /** Where: `hooks.pre[0]`, `endpoints["GET /x"]`. Empty for the definition as a whole. */
  readonly path: string
  /** What was found, what was expected, what would work. */
  readonly message: string
  /** The file it was read from, where the definition is a source. */
  readonly file?: string
  /** From 1. */
  readonly line?: number
  /** From 1. */
  readonly column?: number
  /** What was thrown, where something was. */
  readonly error?: unknown
}

/** How the message begins where not the value is wrong, but that there is one. */
const UNKNOWN_KEY = 'unknown key'

/** A problem, and what shows that others only repeat it. */
export interface Suspicion extends Problem {
  /** The place of what a misspelt key stands for. */
  readonly meant?: string | undefined
  /** Where it is, of what stands outside the document, as its message begins: `path` is only where that is named. */
  readonly elsewhere?: string | undefined
}

export function schemaProblems(error: z.ZodError | undefined): Suspicion[] {
  return (error?.issues ?? []).flatMap(({ path, message }) => {
    if (!message.includes('\u0000')) return [{ path: pathText(path), message }]
    return unknownKeys(message).map(({ key, meant, text }) => ({
      path: pathText([...path, key]),
      message: text,
      meant: meant === undefined ? undefined : pathText([...path, meant]),
    }))
  })
}

/** Of a key that is misspelt it is said; that the right one is missing for that reason need not be. */
export function withoutEchoes(suspicions: readonly Suspicion[]): Problem[] {
  const meant = suspicions.flatMap((one) => one.meant ?? [])
  const isEcho = ({ path, elsewhere, message }: Suspicion): boolean =>
    message.startsWith(elsewhere === undefined ? 'missing' : `${elsewhere}: missing`) &&
    meant.some((place) => isPart(elsewhere ?? path, place))
  return suspicions.filter((one) => !isEcho(one)).map(plain)
}

function plain(suspicion: Suspicion): Problem {
  const { meant: _meant, elsewhere: _elsewhere, ...problem } = suspicion
  return problem
}

/** Whether one of two problems is about a part of what the other is about. */
export function isWithin(one: Suspicion, other: Suspicion): boolean {
  return isPart(placeOf(one), placeOf(other)) || isPart(placeOf(other), placeOf(one))
}

function placeOf({ path, elsewhere }: Suspicion): string {
  return elsewhere ?? path
}

/** Whether a place is within another, or the same. */
export function isPart(part: string, whole: string): boolean {
  return part.startsWith(whole) && (part.length === whole.length || /[.[]/.test(part[whole.length]!))
}

interface UnknownKey {
  readonly key: string
  readonly meant: string | undefined
  readonly text: string
}

/** Says of a key that it belongs somewhere else; undefined where that is not known. */
export type Elsewhere = (key: string) => string | undefined

/** One message for several keys, because the schema has one for an object; `unknownKeys` takes it apart. */
export function unknownKeysMessage(keys: readonly string[], known: readonly string[], elsewhere: Elsewhere): string {
  return keys
    .map((key) => {
      const place = elsewhere(key)
      if (place !== undefined) return keyMessage(key, undefined, place)
      const meant = nearest(key, known)
      const hint = meant === undefined ? '' : `did you mean "${meant}"? `
      return keyMessage(key, meant, `${hint}known keys are ${known.join(', ')}`)
    })
    .join('\n')
}

function keyMessage(key: string, meant: string | undefined, advice: string): string {
  return `${JSON.stringify({ key, meant })}\u0000${UNKNOWN_KEY}; ${advice}`
}

function unknownKeys(message: string): UnknownKey[] {
  return message.split('\n').map((line) => {
    const [names = '', text = ''] = line.split('\u0000')
    const { key, meant } = JSON.parse(names) as { key: string; meant?: string }
    return { key, meant, text }
  })
}

/** All problems in one error. `cause` is the list, for programs. */
export function definitionError(what: string, problems: readonly Problem[]): GatewayError {
  const count = problems.length === 1 ? 'a problem' : `${problems.length} problems`
  const message = `${what} has ${count}:\n${problemList(problems)}`
  return new GatewayError('PSTN_DEFINITION_INVALID', message, { cause: problems })
}

/** A line for each. */
export function problemList(problems: readonly Problem[]): string {
  return problems.map((problem) => `  - ${placeText(problem)}${problem.message}`).join('\n')
}

/** A problem with the place in the text it is about. */
export function located(problem: Problem, source: DefinitionSource): Problem {
  const part = problem.message.startsWith(UNKNOWN_KEY) ? 'key' : 'value'
  return { ...problem, file: source.file, ...source.locate(pathKeys(problem.path), part) }
}

/** As one reads on in a file; what has no place comes first. */
export function inOrder(problems: readonly Problem[]): Problem[] {
  const after = (a: number | undefined, b: number | undefined): number => (a ?? 0) - (b ?? 0)
  return problems.toSorted((a, b) => after(a.line, b.line) || after(a.column, b.column))
}

/** The keys of a path as problems write it: `hooks.pre[0]`, `endpoints["GET /x"]`; as far as it is one. */
export function pathKeys(text: string): (string | number)[] {
  const part =
    /(?:^|(?<!^)\.)(?<name>[A-Za-z_$][\w$]*)|\[(?<index>\d+)\]|\[(?<quoted>"(?:[ !#-[\]-\u{10FFFF}]|\\(?:["\\/bfnrt]|u[\dA-Fa-f]{4}))*")\]/uy
  const keys: (string | number)[] = []
  for (let found = part.exec(text); found !== null; found = part.exec(text)) {
    const { name, index, quoted } = found.groups!
    keys.push(name ?? (index === undefined ? (JSON.parse(quoted!) as string) : Number(index)))
  }
  return keys
}

/** Keys as one path: `hooks.pre[0]`. */
export function pathText(path: readonly PropertyKey[]): string {
  return path.reduce<string>(within, '')
}

/** The path of a part. */
export function within(path: string, key: PropertyKey): string {
  if (typeof key === 'number') return `${path}[${key}]`
  const name = String(key)
  if (!/^[A-Za-z_$][\w$]*$/.test(name)) return `${path}[${JSON.stringify(name)}]`
  return path === '' ? name : `${path}.${name}`
}

function placeText({ file, line, column, path }: Problem): string {
  const place = file !== undefined && line !== undefined ? `${file}:${line}:${column ?? 1}` : (file ?? '')
  const parts = [place, path].filter((part) => part !== '')
  return parts.length === 0 ? '' : `${parts.join(' ')}: `
}
