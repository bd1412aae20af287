#!/usr/bin/env node
import { nearest } from '@postern/core/store'
import { UsageError } from './arguments.ts'
import type { Command } from './command.ts'
import { check } from './commands/check.ts'
import { explain } from './commands/explain.ts'
import { init } from './commands/init.ts'
import { serve } from './commands/serve.ts'
import { helpOf, overview } from './help.ts'
import { Channel, onOneLine, type Output } from './output.ts'
import { isSystemError, systemErrorText } from './system-error.ts'
import { version } from './version.ts'
import { Warnings } from './warnings.ts'

const COMMANDS: readonly Command[] = [check, explain, serve, init]

async function run([name, ...args]: readonly string[], output: Output): Promise<number> {
  const { out, err } = output
  const command = COMMANDS.find((one) => one.name === (name === 'help' ? args[0] : name))
  if (command !== undefined && (name === 'help' || asksForHelp(args))) {
    helpOf(out, command)
    return 0
  }
  if (command !== undefined) {
    // It has a log to say them in.
    if (command !== serve)
      output.warnings.sayTo((message) => err.line(`${err.paint('yellow', 'warning')} ${onOneLine(message)}`))
    try {
      return await command.run(args, output)
    } catch (error) {
      if (isSystemError(error)) {
        err.line(`${err.paint('red', 'error')} ${onOneLine(systemErrorText(error))}`)
        return 1
      }
      if (!(error instanceof UsageError)) throw error
      err.line(`${err.paint('red', 'error')} ${onOneLine(error.message)}\npostern ${command.name} --help says more.`)
      return 2
    }
  }
  if (name === '--version' || name === '-v') {
    out.line(version())
    return 0
  }
  const asked = name === '--help' || name === '-h' || (name === 'help' && args.length === 0)
  if (!asked && name !== undefined)
    err.line(`${err.paint('red', 'error')} ${onOneLine(unknown(name === 'help' ? (args[0] ?? '') : name))}\n`)
  overview(asked ? out : err, COMMANDS)
  return asked ? 0 : 2
}

/** Behind `--` there are only names. */
function asksForHelp(args: readonly string[]): boolean {
  const end = args.indexOf('--')
  return args.slice(0, end === -1 ? undefined : end).some((argument) => argument === '--help' || argument === '-h')
}

function unknown(name: string): string {
  const meant = nearest(
    name,
    COMMANDS.map((command) => command.name),
  )
  return `There is no command ${JSON.stringify(name)}${meant === undefined ? '' : `; did you mean ${meant}?`}`
}

/** Where nothing more can be said, the exit code still says so. */
function unwritable(stream: NodeJS.WriteStream, error: NodeJS.ErrnoException): never {
  const name = stream === process.stdout ? 'stdout' : 'stderr'
  if (stream === process.stdout) process.stderr.write(`error: cannot write to ${name}: ${error.message}\n`)
  process.exit(2)
}

// `postern check ... | head`: what nobody reads any more is no error, and changes no exit code.
for (const stream of [process.stdout, process.stderr])
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') unwritable(stream, error)
  })

// oxlint-disable-next-line node/no-process-env -- NO_COLOR, FORCE_COLOR and TERM are for programs such as this
const env = process.env
const output = {
  out: new Channel(process.stdout, env),
  err: new Channel(process.stderr, env),
  warnings: new Warnings(),
}
const code = await run(process.argv.slice(2), output)
await Promise.all([output.out.flushed(), output.err.flushed()])
// Plugins that were loaded may have timers and connections, which would keep the process alive.
process.exit(code)
