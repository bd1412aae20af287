import { parseArgs } from 'node:util'
import { nearest } from '@postern/core/store'

/** An option of a command, for the parser and for `--help`. */
export interface Option {
  readonly type: 'boolean' | 'string'
  readonly short?: string
  readonly multiple?: boolean
  /** What stands for the value in `--help`. */
  readonly value?: string
  readonly says: string
}

export type Options = Readonly<Record<string, Option>>

/** What was given for each option of a table. */
export type Values<O extends Options> = {
  readonly [K in keyof O]: O[K] extends { readonly type: 'boolean' }
    ? boolean
    : O[K] extends { readonly multiple: true }
      ? readonly string[]
      : string | undefined
}

/** The command line asks for what there is not: exit code 2. */
export class UsageError extends Error {}

/** Takes the arguments of a command apart; what it does not know is a `UsageError` that names the nearest option. */
export function parseArguments<const O extends Options>(
  args: readonly string[],
  options: O,
): { readonly values: Values<O>; readonly positionals: readonly string[] } {
  const { tokens } = parseArgs({
    args: [...args],
    options: Object.fromEntries(
      Object.entries(options).map(([name, { type, short, multiple = false }]) => [
        name,
        { type, multiple, ...(short === undefined ? {} : { short }) },
      ]),
    ),
    strict: false,
    allowPositionals: true,
    tokens: true,
  })
  const values: Record<string, boolean | string | string[] | undefined> = Object.fromEntries(
    Object.entries(options).map(([name, { type, multiple }]) => [
      name,
      type === 'boolean' ? false : multiple === true ? [] : undefined,
    ]),
  )
  const positionals: string[] = []
  for (const token of tokens) {
    if (token.kind === 'positional') positionals.push(token.value)
    if (token.kind !== 'option') continue
    const { name, rawName, value, inlineValue } = token
    const option = Object.hasOwn(options, name) ? options[name] : undefined
    if (option === undefined) throw new UsageError(unknownOption(rawName, options))
    if (option.type === 'boolean') {
      if (value !== undefined) throw new UsageError(`${rawName} takes no value, found ${JSON.stringify(value)}.`)
      values[name] = true
      continue
    }
    // Without `=` the next option would be taken for the value.
    if (value === undefined || (value.startsWith('-') && !inlineValue))
      throw new UsageError(`${rawName} needs a value: ${rawName} ${option.value ?? 'VALUE'}.`)
    if (option.multiple === true) (values[name] as string[]).push(value)
    else values[name] = value
  }
  return { values: values as Values<O>, positionals }
}

function unknownOption(rawName: string, options: Options): string {
  const meant = nearest(rawName.replace(/^-+/, ''), Object.keys(options))
  const known = Object.keys(options).map((name) => `--${name}`)
  return `Unknown option ${rawName}; ${meant === undefined ? '' : `did you mean --${meant}? `}known: ${known.join(', ')}.`
}
