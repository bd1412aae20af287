import type { z } from 'zod'
import { GatewayError } from '../errors.ts'

/** One thing that is wrong with a definition. */
export interface Problem {
  /** Where: `hooks.pre[0]`, `endpoints["GET /x"]`. Empty for the definition as a whole. */
  readonly path: string
  /** What was found, what was expected, what would work. */
  readonly message: string
}

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
  const lines = problems.map(({ path, message }) => `  - ${path === '' ? '' : `${path}: `}${message}`)
  return new GatewayError('PSTN_DEFINITION_INVALID', `${what} has ${count}:\n${lines.join('\n')}`, { cause: problems })
}

/** A path as problems write it: `hooks.pre[0]`, `endpoints["GET /x"]`. */
export function pathText(path: readonly PropertyKey[]): string {
  let text = ''
  for (const key of path) {
    if (typeof key === 'number') text += `[${key}]`
    else if (/^[A-Za-z_$][\w$]*$/.test(String(key))) text += text === '' ? String(key) : `.${String(key)}`
    else text += `[${JSON.stringify(String(key))}]`
  }
  return text
}
