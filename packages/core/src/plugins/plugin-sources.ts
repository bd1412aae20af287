import { createHash } from 'node:crypto'
import { readdir, readFile, realpath, stat } from 'node:fs/promises'
import path from 'node:path'

/** The endings of plugin files, in the order they are tried. */
export const PLUGIN_EXTENSIONS: readonly string[] = ['.ts', '.mts', '.cts', '.js', '.mjs', '.cjs']
const SOURCE_EXTENSIONS = new Set([...PLUGIN_EXTENSIONS, '.json', '.wasm'])

/** Whether a change of a file of this name, below a plugins directory, is one of the plugins. */
export function isPluginSource(name: string): boolean {
  return SOURCE_EXTENSIONS.has(path.extname(name).toLowerCase())
}

/** What is below a plugins directory. */
export interface PluginSources {
  /** With symbolic links followed. */
  readonly directory: string
  /** Changes with the names and the contents of the sources; never with their times. */
  readonly fingerprint: string
  /** The plugin files, relative to the directory, with `/`. */
  readonly files: readonly string[]
}

/** Reads all sources below a directory, but those in `node_modules` and in directories whose name begins with a dot. */
export async function readPluginSources(at: string): Promise<PluginSources> {
  const directory = await realpath(at)
  const files: string[] = []
  await collect(directory, '', new Set([directory]), files, directory)
  files.sort()
  const hash = createHash('sha256')
  for (const file of files) {
    // A file that vanished, or that nobody may read, is another state than one that is there: opening it tells why.
    const content = await readFile(path.join(directory, file)).catch(() => undefined)
    hash.update(`${file.length}:${file}:${content?.length ?? 'unreadable'}:`)
    if (content !== undefined) hash.update(content)
  }
  const plugins = files.filter((file) => PLUGIN_EXTENSIONS.includes(path.extname(file)) && !/\.d\.[cm]?ts$/.test(file))
  return { directory, fingerprint: hash.digest('hex'), files: plugins }
}

/** True for a path that lies below a directory; both with symbolic links followed. */
export function isBelow(directory: string, file: string): boolean {
  return file.startsWith(directory.endsWith(path.sep) ? directory : directory + path.sep)
}

export function isInNodeModules(directory: string, file: string): boolean {
  return path.relative(directory, file).split(path.sep).includes('node_modules')
}

async function collect(root: string, below: string, seen: Set<string>, into: string[], at: string): Promise<void> {
  for (const entry of await readdir(at, { withFileTypes: true })) {
    const name = below + entry.name
    const full = path.join(at, entry.name)
    let kind: 'file' | 'directory' | 'other' = entry.isFile() ? 'file' : entry.isDirectory() ? 'directory' : 'other'
    let real = full
    if (entry.isSymbolicLink()) {
      // Mounted volumes are made of links into directories with dots: what counts is the name a definition writes.
      const target = await followed(full)
      if (target === undefined || !isBelow(root, target.real)) continue
      ;({ kind, real } = target)
    }
    if (kind === 'file' && isPluginSource(entry.name)) into.push(name)
    if (kind !== 'directory' || entry.name === 'node_modules' || entry.name.startsWith('.') || seen.has(real)) continue
    seen.add(real)
    await collect(root, `${name}/`, seen, into, full).catch(() => undefined)
  }
}

async function followed(link: string): Promise<{ real: string; kind: 'file' | 'directory' | 'other' } | undefined> {
  try {
    const real = await realpath(link)
    const stats = await stat(real)
    return { real, kind: stats.isFile() ? 'file' : stats.isDirectory() ? 'directory' : 'other' }
  } catch {
    // It leads nowhere: there is nothing to read.
    return undefined
  }
}
