import type { Options } from './arguments.ts'
import type { Output } from './output.ts'

/** One of the commands; `main.ts` finds it by its name. */
export interface Command {
  readonly name: string
  /** Behind `postern NAME`. */
  readonly usage: string
  readonly says: string
  readonly options: Options
  /** The end of `--help`. */
  readonly notes?: readonly string[]
  /** The exit code: 0, or 1 where problems were found. Usage errors are thrown. */
  run(args: readonly string[], output: Output): Promise<number>
}

/** What every command that prints takes. */
export const JSON_OPTION = { json: { type: 'boolean', says: 'JSON on stdout' } } as const
export const HELP_OPTION = { help: { type: 'boolean', short: 'h', says: 'this text' } } as const
