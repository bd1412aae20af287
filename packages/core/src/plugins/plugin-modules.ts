import { fileURLToPath } from 'node:url'
import path from 'node:path'
import type { ApiInfo } from '../api.ts'
import { describe, GatewayError } from '../errors.ts'
import { isFunction } from '../functions.ts'
import { listing } from '../listing.ts'
import { nearest } from '../nearest.ts'
import { requiredEsModules, startFresh } from './fresh-modules.ts'
import { ModuleInstance } from './module-instance.ts'
import { findPluginFile, quoted, type FoundPluginFile } from './plugin-path.ts'
import { readPluginSources, type PluginSources } from './plugin-sources.ts'

/** A function of a plugin file; what it takes and returns is the hook's affair. */
export type PluginFunction = (...args: never[]) => unknown

/** One API's use of one plugin file. */
export interface ModuleUse {
  /** As the definition wrote it. */
  readonly path: string
  /** An exported function; throws `PSTN_PLUGIN_NOT_FOUND`. */
  function(functionName: string): PluginFunction
  /** Calls the module's exported `init(api)`, if there is one; rejects with `PSTN_PLUGIN_UNLOADABLE`. */
  init(api: ApiInfo): Promise<void>
  /** The API serves: from now on the module has something to end. */
  begin(): void
  /**
   * Once; the module's exported `close()` is called after its last use, where `init` ran or an API began to serve. Rejects with
   * `PSTN_PLUGIN_UNLOADABLE` when that fails, or takes longer than `timeoutMs`: the use is over all the same.
   */
  release(timeoutMs?: number): Promise<void>
}

/** From as many modules loaded afresh on, what Node keeps of them is worth a warning. */
const MANY = 500

/** What all gateways of this process know of a directory: they get the same modules. */
interface PluginFolder {
  sources: PluginSources
  /** The number its modules are loaded under; none as long as nothing has changed. */
  number: number | undefined
  /** The newest instance of each file. */
  readonly instances: Map<string, ModuleInstance>
}

const folders = new Map<string, PluginFolder>()

interface Claim extends FoundPluginFile {
  readonly apiId: string
  readonly round: number
}

interface Finding {
  readonly folder: PluginFolder
  readonly claim: Claim
  readonly instance: ModuleInstance
}

/**
 * Plugins from the files of one directory. The first load of a file is the module anybody else gets who imports it.
 * After a change of any source below the directory modules are loaded anew, under other URLs; Node keeps the old ones
 * (20 kB for each version of a small plugin of two files, see `docs/plugin-files.md`).
 */
export class PluginModules {
  readonly #directory: string
  readonly #warn: (message: string) => void
  /** Told once each. */
  readonly #stale = new Set<string>()
  readonly #claims = new Set<Claim>()
  #finding: Promise<unknown> = Promise.resolve()
  #folder: PluginFolder | undefined
  #number: number | undefined
  #trouble: unknown
  #round = 0
  #changes = -1

  /** `warn` hears of what works and should not go on: very many generations, modules Node does not load anew. */
  constructor(directory: string | URL, warn: (message: string) => void = () => undefined) {
    this.#directory = pathOf(directory)
    this.#warn = warn
  }

  /**
   * Looks at the sources below the directory. The number changes when any of them has changed since the last call, and
   * what is opened from then on is a fresh instance of its module. Call it once before the files of a load are opened.
   */
  async refresh(): Promise<number> {
    const before = this.#folder
    try {
      this.#folder = folderOf(await readPluginSources(this.#directory))
    } catch (error) {
      // Told by `open`: an API may need no file at all.
      this.#folder = undefined
      this.#trouble = error
    }
    if (this.#changes === -1 || before !== this.#folder || this.#number !== this.#folder?.number) this.#changes += 1
    this.#number = this.#folder?.number
    this.#round += 1
    return this.#changes
  }

  /** One API's use of one file. Throws `PSTN_PLUGIN_NOT_FOUND` or `PSTN_PLUGIN_UNLOADABLE`. */
  async open(written: string, apiId: string): Promise<ModuleUse> {
    const { folder, claim, instance } = await this.#inTurn(() => this.#find(written, apiId))
    let exports: Readonly<Record<string, unknown>>
    try {
      exports = await instance.use()
    } catch (error) {
      this.#claims.delete(claim)
      throw error
    }
    if (folder.number !== undefined) this.#warnOfStale(folder)
    let released = false
    return {
      path: written,
      function: (functionName) => functionOf(exports, functionName, written),
      init: (api) => instance.init(api),
      begin: () => instance.begin(),
      release: async (timeoutMs = Infinity) => {
        if (released) return
        released = true
        this.#claims.delete(claim)
        await instance.release(timeoutMs)
      },
    }
  }

  async #find(written: string, apiId: string): Promise<Finding> {
    if (this.#folder === undefined) await this.refresh()
    const folder = this.#folder
    if (folder === undefined) throw this.#noDirectory(written)
    const found = await findPluginFile(folder.sources, written)
    const claim = this.#claim(found, written, apiId)
    return { folder, claim, instance: this.#instance(folder, found.file, apiId) }
  }

  /** Files are loaded side by side, but found one after the other: which of two claims is refused is no accident. */
  #inTurn<T>(find: () => Promise<T>): Promise<T> {
    const found = this.#finding.then(find)
    this.#finding = found.catch(() => undefined)
    return found
  }

  #instance(folder: PluginFolder, file: string, apiId: string): ModuleInstance {
    const newest = folder.instances.get(file)
    if (newest?.isFor(apiId) === true) return newest
    let { number } = folder
    if (newest !== undefined) number = startFresh(folder.sources.directory)
    if (number !== undefined && number >= MANY) {
      this.#warn(
        `Plugins below ${folder.sources.directory} have been loaded anew ${number} times. Node keeps every version of a module: restart the process some time.`,
      )
    }
    const instance = new ModuleInstance(file, folder.sources.directory, number)
    folder.instances.set(file, instance)
    return instance
  }

  /** Paths of another gateway that lead to a file by its name alone: two of them would be one plugin by chance. */
  #claim(found: FoundPluginFile, written: string, apiId: string): Claim {
    const claim = { ...found, apiId, round: this.#round }
    if (found.byNameAlone) {
      for (const other of this.#claims) {
        const same = other.file !== found.file || other.path === found.path || !other.byNameAlone
        // The older definition of the same API, still in use, may have had another path.
        if (same || (other.apiId === apiId && other.round !== this.#round)) continue
        throw new GatewayError(
          'PSTN_PLUGIN_NOT_FOUND',
          `The plugin paths ${quoted(written)} and ${quoted(other.path)} both lead to ${found.file}, by their file name alone. Put the files where the paths say below ${this.#directory}.`,
        )
      }
    }
    this.#claims.add(claim)
    return claim
  }

  #warnOfStale({ sources: { directory } }: PluginFolder): void {
    for (const file of requiredEsModules(directory)) {
      if (this.#stale.has(file)) continue
      this.#stale.add(file)
      this.#warn(
        `${file} is an ES module that a CommonJS file requires: Node does not load it anew, it is as it was at the first load. Import it from an ES module, or restart the process after a change.`,
      )
    }
  }

  #noDirectory(written: string): GatewayError {
    const cause = this.#trouble
    const { code } = cause as NodeJS.ErrnoException
    let state = `cannot be read (${code ?? String(cause)})`
    if (code === 'ENOENT') state = 'does not exist'
    if (code === 'ENOTDIR') state = 'is no directory'
    return new GatewayError(
      'PSTN_PLUGIN_NOT_FOUND',
      `There is no plugin file ${quoted(written)}: the plugins directory ${this.#directory} ${state}.`,
      { cause },
    )
  }
}

function pathOf(directory: string | URL): string {
  if (typeof directory === 'string' && !directory.startsWith('file:')) return path.resolve(directory)
  try {
    return fileURLToPath(directory)
  } catch (cause) {
    throw new GatewayError(
      'PSTN_OPTIONS_INVALID',
      `The plugins directory is a path or a file URL; found ${quoted(String(directory))}.`,
      { cause },
    )
  }
}

function folderOf(sources: PluginSources): PluginFolder {
  let folder = folders.get(sources.directory)
  if (folder === undefined) {
    folder = { sources, number: undefined, instances: new Map() }
    folders.set(sources.directory, folder)
  } else if (folder.sources.fingerprint !== sources.fingerprint) {
    folder.sources = sources
    folder.number = startFresh(sources.directory)
    folder.instances.clear()
  }
  return folder
}

const OF_THE_MODULE = new Set(['init', 'close', 'module.exports'])

function functionOf(exports: Readonly<Record<string, unknown>>, name: string, written: string): PluginFunction {
  const value = Object.hasOwn(exports, name) ? exports[name] : undefined
  if (isFunction(value)) return value
  const known = Object.keys(exports).filter((key) => isFunction(exports[key]) && !OF_THE_MODULE.has(key))
  const meant = nearest(name, known)
  const found = Object.hasOwn(exports, name)
    ? `${quoted(name)} of the plugin file ${quoted(written)} is no function but ${describe(value)}.`
    : `The plugin file ${quoted(written)} does not export ${quoted(name)}.`
  const offer = known.length === 0 ? ' It exports no functions.' : ` The functions it exports: ${listing(known)}.`
  throw new GatewayError(
    'PSTN_PLUGIN_NOT_FOUND',
    found + (meant === undefined ? '' : ` Did you mean ${quoted(meant)}?`) + offer,
  )
}
