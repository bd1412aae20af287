import { mkdir, stat, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { parseArguments, UsageError } from '../arguments.ts'
import { type Command, HELP_OPTION, JSON_OPTION } from '../command.ts'
import type { Form } from '../init/definitions.ts'
import { starter } from '../init/starter.ts'
import { onOneLine, type Output } from '../output.ts'
import { isSystemError, systemErrorText } from '../system-error.ts'
import { version } from '../version.ts'

const OPTIONS = {
  'tyk-oas': { type: 'boolean', says: 'write the definition as a Tyk OAS document' },
  'tyk-classic': { type: 'boolean', says: 'write the definition as a Tyk Classic document' },
  ...JSON_OPTION,
  ...HELP_OPTION,
} as const

export const init: Command = {
  name: 'init',
  usage: '[DIR] [--tyk-oas | --tyk-classic] [--json]',
  says: 'writes a starter: a definition, plugins, a test; overwrites nothing',
  options: OPTIONS,
  async run(args, output) {
    const { values, positionals } = parseArguments(args, OPTIONS)
    if (positionals.length > 1)
      throw new UsageError(`Found ${positionals.length} directories, expected one: postern init [DIR]`)
    if (values['tyk-oas'] && values['tyk-classic'])
      throw new UsageError('--tyk-oas and --tyk-classic exclude each other.')
    const form: Form = values['tyk-oas'] ? 'tyk-oas' : values['tyk-classic'] ? 'tyk-classic' : 'native'
    const directory = positionals[0] ?? '.'
    try {
      return await write(directory, form, output, values.json)
    } catch (error) {
      return unwritable(directory, error, output, values.json)
    }
  },
}

async function write(directory: string, form: Form, { out, err }: Output, json: boolean): Promise<number> {
  const folder = path.resolve(directory)
  if (await isFile(folder)) {
    if (json) out.json({ ok: false, inTheWay: [directory] }, 2)
    else
      err.line(
        `${err.paint('red', 'error')} ${onOneLine(directory)} is a file; expected a directory, or a name for one`,
      )
    return 1
  }
  const typescript = runsTypeScript()
  const files = starter({ form, typescript, version: version(), folder })
  const names = Object.keys(files)
  const inTheWay = await existing(folder, names)
  if (inTheWay.length > 0) {
    if (json) out.json({ ok: false, inTheWay }, 2)
    else {
      err.line(`${err.paint('red', 'error')} Nothing was written: these are there already.`)
      for (const name of inTheWay) err.line(`  ${onOneLine(path.join(directory, name))}`)
    }
    return 1
  }
  for (const [name, text] of Object.entries(files)) {
    const file = path.join(folder, name)
    await makeFolder(path.dirname(file))
    // Somebody else may have been faster.
    await writeFile(file, text, { flag: 'wx' })
  }
  if (json) out.json({ ok: true, directory: folder, files: names }, 2)
  else {
    for (const name of names) out.line(`${out.paint('green', 'wrote')} ${onOneLine(path.join(directory, name))}`)
    out.line(`\nNext: ${directory === '.' ? '' : `cd ${onOneLine(directory)} && `}npm install && npm test && npm start`)
    if (!typescript)
      out.line(out.paint('dim', `JavaScript, because Node ${process.version} runs no TypeScript; 22.18 or newer does.`))
  }
  return 0
}

function unwritable(directory: string, error: unknown, { out, err }: Output, json: boolean): number {
  if (!isSystemError(error)) throw error
  const message = systemErrorText(error)
  if (json) out.json({ ok: false, error: message }, 2)
  else err.line(`${err.paint('red', 'error')} Cannot write to ${onOneLine(directory)}: ${onOneLine(message)}`)
  return 1
}

/** Step by step: where a file system denies a folder for another reason, Node's own `recursive` tries for ever. */
async function makeFolder(folder: string): Promise<void> {
  try {
    await mkdir(folder)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'EEXIST') return
    const above = path.dirname(folder)
    if (code !== 'ENOENT' || above === folder) throw error
    await makeFolder(above)
    await mkdir(folder)
  }
}

/** Whether Node strips types by itself. */
function runsTypeScript(): boolean {
  return Boolean((process.features as { readonly typescript?: unknown }).typescript)
}

async function existing(folder: string, names: readonly string[]): Promise<string[]> {
  const found: string[] = []
  for (const name of names) if (await exists(path.join(folder, name))) found.push(name)
  return found
}

async function isFile(name: string): Promise<boolean> {
  return stat(name).then(
    (status) => !status.isDirectory(),
    () => false,
  )
}

async function exists(file: string): Promise<boolean> {
  try {
    await stat(file)
    return true
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT') return false
    // A file where a folder has to be.
    if (code === 'ENOTDIR') return true
    throw error
  }
}
