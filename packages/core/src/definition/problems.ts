import type { z } from 'zod'
import { GatewayError } from '../errors.ts'
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
export const UNKNOWN_KEY = 'unknown key'

export function schemaProblems(error: z.ZodError | undefined): Problem[] {
  return (error?.issues ?? []).flatMap((issue) =>
    issue.message.split('\n').map((line) => {
      const [key, message] = line.split('\u0000')
      return message === undefined
        ? { path: pathText(issue.path), message: line }
        : { path: pathText([...issue.path, key!]), message }
    }),
  )
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
  let text = ''
  for (const key of path) {
    if (typeof key === 'number') text += `[${key}]`
    else if (/^[A-Za-z_$][\w$]*$/.test(String(key))) text += text === '' ? String(key) : `.${String(key)}`
    else text += `[${JSON.stringify(String(key))}]`
  }
  return text
}

function placeText({ file, line, column, path }: Problem): string {
  const place = file !== undefined && line !== undefined ? `${file}:${line}:${column ?? 1}` : (file ?? '')
  const parts = [place, path].filter((part) => part !== '')
  return parts.length === 0 ? '' : `${parts.join(' ')}: `
}
