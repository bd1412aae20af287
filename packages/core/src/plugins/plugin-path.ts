import { realpath, stat } from 'node:fs/promises'
import path from 'node:path'
import { describe, GatewayError } from '../errors.ts'
import { leavesDirectory } from '../leaves-directory.ts'
import { nearest } from '../nearest.ts'
import { isBelow, isInNodeModules, PLUGIN_EXTENSIONS, type PluginSources } from './plugin-sources.ts'

export interface FoundPluginFile {
  /** Absolute, with symbolic links followed. */
  readonly file: string
  /** The path without the spellings that mean the same. */
  readonly path: string
  /** The path's directories were not there: only its file name led here. */
  readonly byNameAlone: boolean
}

type Sources = Pick<PluginSources, 'directory' | 'files'>

/** The file a definition's `path` means; refuses what leads out of the directory. */
export async function findPluginFile(sources: Sources, written: string): Promise<FoundPluginFile> {
  const segments = segmentsOf(written, sources.directory)
  const plain = segments.join('/')
  const name = segments.at(-1)!
  const stem = name.replace(/\.[a-z]+$/i, '')
  const exact = PLUGIN_EXTENSIONS.includes(path.extname(name))
  const names = exact ? [name] : PLUGIN_EXTENSIONS.map((extension) => stem + extension)
  const folders = [segments.slice(0, -1)]
  if (!exact && segments.length > 1) folders.push([])
  const looked: string[] = []
  for (const [i, folder] of folders.entries()) {
    const candidates = names.map((candidate) => [...folder, candidate].join('/'))
    looked.push(...candidates)
    const found: { candidate: string; file: string }[] = []
    for (const candidate of candidates) {
      const file = await regularFile(sources.directory, candidate, written)
      if (file !== undefined) found.push({ candidate, file })
    }
    if (found.length > 1) throw severalFit(written, found)
    if (found.length === 1) return { file: found[0]!.file, path: plain, byNameAlone: i > 0 }
  }
  throw notFound(sources, written, plain, looked)
}

/** Quotes a path for a message: nothing in it can pretend to be part of the sentence. */
export function quoted(written: string): string {
  return JSON.stringify(written.length > 200 ? `${written.slice(0, 197)}...` : written)
}

function segmentsOf(written: unknown, directory: string): string[] {
  if (typeof written !== 'string' || written === '') {
    throw new GatewayError(
      'PSTN_PLUGIN_NOT_FOUND',
      `A plugin's path is that of a file below ${directory}, like "auth.mjs"; found ${written === '' ? 'an empty string' : describe(written)}.`,
    )
  }
  const segments = written.split('/').filter((segment) => segment !== '' && segment !== '.')
  const reason = refusal(written, segments)
  if (reason === undefined) return segments
  throw new GatewayError(
    'PSTN_PLUGIN_NOT_FOUND',
    `The plugin path ${quoted(written)} is refused: ${reason}. Write the path of a file below ${directory}, like "auth.mjs".`,
  )
}

function refusal(written: string, segments: readonly string[]): string | undefined {
  if (written.includes('\0')) return 'it contains a NUL character'
  if (written.includes('\\')) return 'it contains a backslash; directories are separated by "/"'
  if (/^[a-z][a-z\d+.-]*:/i.test(written)) return 'it is a URL, or names a drive'
  if (/%[\da-f]{2}/i.test(written)) return 'it contains percent-encoding, which nothing here decodes'
  if (leavesDirectory(written)) return 'it contains "..", and plugins are never loaded from outside their directory'
  if (segments.includes('node_modules')) return 'packages in node_modules are no plugins'
  if (segments.length === 0 || written.endsWith('/')) return 'it names a directory'
  const hidden = segments.slice(0, -1).find((segment) => segment.startsWith('.'))
  if (hidden !== undefined) return `directories whose name begins with a dot ("${hidden}") are not looked at`
  return undefined
}

const ABSENT = new Set(['ENOENT', 'ENOTDIR', 'ENAMETOOLONG'])

async function regularFile(directory: string, candidate: string, written: string): Promise<string | undefined> {
  let file: string
  let isFile: boolean
  try {
    file = await realpath(path.join(directory, candidate))
    isFile = (await stat(file)).isFile()
  } catch (cause) {
    const { code = '' } = cause as NodeJS.ErrnoException
    if (ABSENT.has(code)) return undefined
    throw new GatewayError('PSTN_PLUGIN_UNLOADABLE', `The plugin file ${quoted(written)} cannot be read: ${code}.`, {
      cause,
    })
  }
  let reason: string | undefined
  if (!isBelow(directory, file)) reason = `a symbolic link leads out of ${directory}, to ${file}`
  else if (isInNodeModules(directory, file)) reason = 'a symbolic link leads into node_modules'
  else if (!isFile) reason = `${file} is not a regular file`
  if (reason === undefined) return file
  throw new GatewayError('PSTN_PLUGIN_NOT_FOUND', `The plugin path ${quoted(written)} is refused: ${reason}.`)
}

function severalFit(written: string, found: readonly { candidate: string }[]): GatewayError {
  const names = found.map(({ candidate }) => candidate).join(' and ')
  return new GatewayError(
    'PSTN_PLUGIN_NOT_FOUND',
    `Several files fit the plugin path ${quoted(written)}: ${names}. Keep one of them, or write its name with its ending.`,
  )
}

function notFound(sources: Sources, written: string, plain: string, looked: readonly string[]): GatewayError {
  const { directory, files } = sources
  const parts = [`There is no plugin file for ${quoted(written)} below ${directory}`]
  if (looked.length > 1) parts.push(`Looked for ${looked.join(', ')}`)
  const meant = nearestFile(plain, files)
  const inside = directory.slice(1)
  if (isBelow(inside, plain))
    parts.push(`Paths begin at that directory: write ${quoted(plain.slice(inside.length + 1))}`)
  else if (meant !== undefined) parts.push(`Did you mean ${quoted(meant)}?`)
  const shown = files.slice(0, 10).join(', ')
  const more = files.length > 10 ? ` and ${files.length - 10} more` : ''
  parts.push(files.length === 0 ? 'There are no plugin files' : `There are: ${shown}${more}`)
  const text = parts.map((part) => (part.endsWith('?') ? part : `${part}.`)).join(' ')
  return new GatewayError('PSTN_PLUGIN_NOT_FOUND', text)
}

/** By the whole path first, then by the file's name: a file in another directory is what most often is meant. */
function nearestFile(plain: string, files: readonly string[]): string | undefined {
  for (const part of [withoutExtension, (file: string) => withoutExtension(path.posix.basename(file))]) {
    const plainly = files.map((file) => part(file).replaceAll(/[^a-z0-9]/gi, ''))
    const name = nearest(part(plain), plainly)
    if (name !== undefined) return files[plainly.indexOf(name)]
  }
  return undefined
}

function withoutExtension(file: string): string {
  return file.slice(0, file.length - path.posix.extname(file).length)
}
