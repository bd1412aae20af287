import type { Option } from './arguments.ts'
import type { Command } from './command.ts'
import type { Channel } from './output.ts'

/** `postern --help`. */
export function overview(out: Channel, commands: readonly Command[]): void {
  out.line(`${out.paint('bold', 'postern')}: an API gateway's hook chain, from the command line\n`)
  const width = Math.max(...commands.map(({ name }) => name.length))
  for (const { name, says } of commands) out.line(`  postern ${out.paint('cyan', name.padEnd(width))}  ${says}`)
  out.line(`
postern COMMAND --help says what a command takes; postern --version what this is.
Exit codes: 0, 1 where problems were found, 2 where the command line is wrong.`)
}

/** `postern NAME --help`. */
export function helpOf(out: Channel, { name, usage, says, options, notes = [] }: Command): void {
  out.line(`${out.paint('bold', `postern ${name}`)} ${usage}\n`)
  out.line(`  ${says}\n`)
  const rows = Object.entries(options).map(([option, settings]) => [spelling(option, settings), settings.says] as const)
  const width = Math.max(...rows.map(([option]) => option.length))
  for (const [option, text] of rows) out.line(`  ${out.paint('cyan', option.padEnd(width))}  ${text}`)
  if (notes.length > 0) out.line(`\n${notes.join('\n')}`)
}

function spelling(name: string, { short, value }: Option): string {
  const long = value === undefined ? `--${name}` : `--${name} ${value}`
  return short === undefined ? long : `-${short}, ${long}`
}
