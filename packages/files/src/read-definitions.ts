import { constants } from 'node:fs'
import { open, readdir, stat } from 'node:fs/promises'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import type { DefinitionSource, Problem } from '@postern/core'
import { definitionError, describe, GatewayError } from '@postern/core/host'
import { readJson } from './json.ts'
import { type Fault, Lines, type Reading, sourceOf } from './text.ts'
import { readYaml } from './yaml.ts'

/** One path or several, of files or of directories. */
export type DefinitionPaths = string | URL | readonly (string | URL)[]

const READERS: Readonly<Record<string, (text: string) => Reading>> = {
  '.json': readJson,
  '.yaml': readYaml,
  '.yml': readYaml,
}
const ENDINGS = Object.keys(READERS).join(', ')
const MAX_BYTES = 10 * 1024 * 1024
/** The rest of a broken file mostly follows from its first lines. */
const MAX_FAULTS = 10

/**
 * Reads definitions from JSON and YAML files; of a directory, those directly in it. What is wrong with any of the files is
 * in the one `PSTN_DEFINITION_INVALID` it rejects with: `cause` is the list, with file, line and column.
 *
 * @example
 * await gateway.reload(await readDefinitions('apis'))
 */
export async function readDefinitions(paths: DefinitionPaths): Promise<DefinitionSource[]> {
  const all = await Promise.all(pathList(paths).map(filesAt))
  const results = await eachInTurn(distinct(all.flatMap(({ files }) => files)), readFile)
  const problems = [...all, ...results].flatMap((result) => result.problems)
  if (problems.length > 0) throw definitionError('What was read', problems)
  return results.flatMap(({ sources }) => sources)
}

/** The paths as text. @internal */
export function pathList(paths: DefinitionPaths): string[] {
  const list = typeof paths === 'string' || paths instanceof URL ? [paths] : paths
  if (!Array.isArray(list) || list.length === 0)
    throw new GatewayError('PSTN_OPTIONS_INVALID', `Found ${describe(paths)}, expected the path of a definition file.`)
  return list.map(localPath)
}

/** @internal */
export function localPath(one: unknown): string {
  if (typeof one === 'string' && one !== '') return one
  if (one instanceof URL && one.protocol === 'file:') return fileURLToPath(one)
  const found = one instanceof URL ? one.href : describe(one)
  throw new GatewayError('PSTN_OPTIONS_INVALID', `Found ${found}, expected a path or a file: URL.`)
}

/** Whether a name is that of a definition file. Those that begin with a dot are an editor's or a system's. @internal */
export function namesDefinition(name: string): boolean {
  return !name.startsWith('.') && READERS[path.extname(name).toLowerCase()] !== undefined
}

interface Found {
  readonly files: readonly string[]
  readonly problems: readonly Problem[]
}

async function filesAt(given: string): Promise<Found> {
  const found = await attempt(given, async () => {
    if (!(await stat(given)).isDirectory()) return [given]
    const names = (await readdir(given)).filter(namesDefinition).toSorted()
    const files = await eachInTurn(
      names.map((name) => path.join(given, name)),
      async (file) => ((await stat(file)).isDirectory() ? [] : [file]),
    )
    if (files.flat().length === 0) throw new Refused(`a directory without definition files (${ENDINGS})`)
    return files.flat()
  })
  return found instanceof Refused ? { files: [], problems: [problemOf(given, found)] } : { files: found, problems: [] }
}

interface Result {
  readonly sources: readonly DefinitionSource[]
  readonly problems: readonly Problem[]
}

async function readFile(file: string): Promise<Result> {
  const text = await attempt(file, () => textOf(file))
  if (text instanceof Refused) return { sources: [], problems: [problemOf(file, text)] }
  const lines = new Lines(text)
  const { documents, faults } = READERS[path.extname(file).toLowerCase()]!(text)
  if (faults.length > 0) {
    const ordered = distinctFaults(faults)
    const shown = ordered
      .slice(0, MAX_FAULTS)
      .map(({ offset, message }): Problem => Object.assign(lines.at(offset), { path: '', message, file }))
    const more = ordered.length - shown.length
    return { sources: [], problems: more === 0 ? shown : [...shown, { path: '', message: `${more} more`, file }] }
  }
  if (documents.length === 0)
    return { sources: [], problems: [problemOf(file, new Refused('has no definition in it'))] }
  return { sources: documents.map((document) => sourceOf(file, lines, document)), problems: [] }
}

/** In the order of the text; one for each place, because a second one mostly follows from the first. */
function distinctFaults(faults: readonly Fault[]): Fault[] {
  const byPlace = new Map(faults.toReversed().map((fault) => [fault.offset, fault]))
  return [...byPlace.values()].toSorted((a, b) => a.offset - b.offset)
}

async function textOf(file: string): Promise<string> {
  const ending = path.extname(file)
  if (READERS[ending.toLowerCase()] === undefined)
    throw new Refused(`found ${ending === '' ? 'no ending' : `the ending ${ending}`}, expected ${ENDINGS}`)
  // Without O_NONBLOCK a named pipe would keep us waiting for somebody to write.
  const handle = await open(file, constants.O_RDONLY | constants.O_NONBLOCK)
  try {
    const status = await handle.stat()
    if (!status.isFile()) throw new Refused('is neither a file nor a directory')
    if (status.size > MAX_BYTES) throw new Refused(`is ${status.size} bytes long, expected at most ${MAX_BYTES}`)
    const text = decode(await handle.readFile())
    if (text.trim() === '') throw new Refused('is empty')
    return text
  } finally {
    await handle.close()
  }
}

function decode(bytes: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    throw new Refused('is not UTF-8')
  }
}

/** Why a file or a directory is none. */
class Refused extends Error {}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'does not exist',
  ENOTDIR: 'does not exist',
  EACCES: 'may not be read by this process',
  EPERM: 'may not be read by this process',
  ELOOP: 'is a link that leads back to itself',
}

async function attempt<T>(file: string, read: () => Promise<T>): Promise<T | Refused> {
  try {
    return await read()
  } catch (error) {
    if (error instanceof Refused) return error
    const { code, path: culprit } = error as NodeJS.ErrnoException
    if (code === undefined) throw error
    const where = culprit === undefined || culprit === file ? '' : `${path.basename(culprit)}: `
    return new Refused(`${where}${REASONS[code] ?? `cannot be read (${code})`}`)
  }
}

function problemOf(file: string, { message }: Refused): Problem {
  return { path: '', message, file }
}

/** A file that was named twice, or beside its directory, is one. */
function distinct(files: readonly string[]): string[] {
  return [...new Map(files.toReversed().map((file) => [path.resolve(file), file])).values()].toReversed()
}

async function eachInTurn<T, R>(list: readonly T[], run: (one: T) => Promise<R>): Promise<R[]> {
  const results: R[] = []
  for (const one of list) results.push(await run(one))
  return results
}
