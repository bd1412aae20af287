import { type FSWatcher, watch as watchDirectory } from 'node:fs'
import type { DefinitionSource } from '@postern/core'
import { describe, GatewayError, suggest } from '@postern/core/host'
import { absentOf } from './absent.ts'
import { look, type Look } from './look.ts'
import { type DefinitionPaths, pathList, localPath, readDefinitions } from './read-definitions.ts'

/** A gateway, as far as it is needed here. */
export interface Reloadable {
  reload(definitions: DefinitionSource[]): Promise<unknown>
}

export interface WatchOptions {
  /** Definition files, and directories of them: what `readDefinitions` takes. */
  readonly files: DefinitionPaths
  /** Where plugins are loaded from: a module that changes in it, however deep, is a reason to reload as well. */
  readonly plugins?: string | URL | undefined
  /** Told why a reload did not happen; the gateway serves on with what it had. Default: a warning of the process. */
  readonly onError?: ((error: unknown) => void) | undefined
}

export interface Watching {
  /** Resolves when every change from now on is seen. */
  readonly ready: Promise<void>
  /** Ends it; waits for a reload that is under way. */
  close(): Promise<void>
}

/**
 * Reloads a gateway when its definition files or its plugins change, one reload at a time; the last change wins. Keeps no
 * process alive.
 *
 * @example
 * const watching = watch(gateway, { files: 'apis', plugins: 'plugins' })
 */
export function watch(gateway: Reloadable, options: WatchOptions): Watching {
  const { onError, ...paths } = checked(gateway, options)
  const watcher = new Watcher(gateway, paths, onError)
  const ready = watcher.start()
  // Also told to `onError`: who does not wait for it need not catch it.
  ready.catch(() => undefined)
  return { ready, close: () => watcher.close() }
}

interface Paths {
  readonly files: readonly string[]
  readonly plugins: string | undefined
}

const KNOWN_OPTIONS = ['files', 'plugins', 'onError']

function checked(gateway: unknown, options: WatchOptions): Paths & Pick<WatchOptions, 'onError'> {
  const refuse = (message: string): never => {
    throw new GatewayError('PSTN_OPTIONS_INVALID', message)
  }
  if (typeof (gateway as Partial<Reloadable> | null | undefined)?.reload !== 'function')
    refuse(`Found ${describe(gateway)}, expected a gateway, with its reload().`)
  if (typeof options !== 'object' || options === null)
    refuse(`The options are ${describe(options)}; expected { files }.`)
  const unknown = Object.keys(options).find((key) => !KNOWN_OPTIONS.includes(key))
  if (unknown !== undefined) refuse(`Unknown option "${unknown}"; ${suggest(unknown, KNOWN_OPTIONS)}.`)
  const { files, plugins, onError } = options
  if (onError !== undefined && typeof onError !== 'function')
    refuse(`options.onError is ${describe(onError)}; expected a function.`)
  return { files: pathList(files), plugins: plugins === undefined ? undefined : localPath(plugins), onError }
}

/** Editors and copying programs write in several steps: nothing is read before two looks, so far apart, have seen the same. */
const SETTLED_MS = 100
/** Deploys move files: a definition that is away for a moment has not been removed, and what it guards stays guarded. */
const GONE_MS = 2_000
/** Directories that come and go while they are looked at come to rest. */
const MAX_LOOKS = 10

class Watcher {
  readonly #gateway: Reloadable
  readonly #paths: Paths
  readonly #report: (error: unknown) => void
  readonly #warned = new Set<string>()
  #watchers = new Map<string, FSWatcher>()
  /** What was loaded last. */
  #loaded: Pick<Look, 'state' | 'definitions'> = { state: '', definitions: new Set() }
  /** The state at the last look. */
  #seen = ''
  /** Since when definition files are missing. */
  #missing = new Map<string, number>()
  /** That it cannot listen somewhere is told once. */
  #deafness: string | undefined
  #timer: NodeJS.Timeout | undefined
  /** When to look next. */
  #due: number | undefined
  #running: Promise<void> | undefined
  #closed = false

  constructor(gateway: Reloadable, paths: Paths, onError: WatchOptions['onError']) {
    this.#gateway = gateway
    this.#paths = paths
    this.#report = onError === undefined ? (error) => this.#warn(error) : guarded(onError)
  }

  async start(): Promise<void> {
    const started = this.#begin()
    await this.#alone(started)
    return started
  }

  async close(): Promise<void> {
    this.#closed = true
    clearTimeout(this.#timer)
    await this.#running
    for (const watcher of this.#watchers.values()) watcher.close()
    this.#watchers.clear()
  }

  #lookIn(ms: number): void {
    const due = performance.now() + ms
    this.#due = Math.min(this.#due ?? due, due)
    if (this.#closed || this.#running !== undefined) return
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => void this.#alone(this.#reload()), this.#due - performance.now())
    this.#timer.unref()
  }

  /** Never rejects. What happens meanwhile is looked into afterwards. */
  async #alone(task: Promise<void>): Promise<void> {
    this.#running = task.catch((error: unknown) => {
      if (!this.#closed) this.#report(error)
    })
    await this.#running
    this.#running = undefined
    const due = this.#due
    if (due === undefined) return
    this.#due = undefined
    this.#lookIn(Math.max(SETTLED_MS, due - performance.now()))
  }

  async #begin(): Promise<void> {
    const { deaf, ...found } = await this.#look()
    this.#loaded = found
    this.#seen = found.state
    const absent = await absentOf(this.#paths.files, this.#paths.plugins)
    if (absent !== undefined && !this.#closed) this.#report(absent)
    if (deaf !== undefined) throw deaf
  }

  async #reload(): Promise<void> {
    this.#due = undefined
    const { deaf, ...found } = await this.#look()
    if (deaf !== undefined && deaf.message !== this.#deafness) this.#report(deaf)
    this.#deafness = deaf?.message
    const wait = this.#unsettled(found)
    if (found.state === this.#loaded.state || this.#closed) return
    if (wait > 0) return this.#lookIn(wait)
    const [read] = await Promise.allSettled([readDefinitions(this.#paths.files)])
    // What was written to while it was read may have been read in the middle.
    const { state } = await look(this.#paths.files, this.#paths.plugins)
    if (this.#closed) return
    if (state !== found.state) return this.#lookIn(SETTLED_MS)
    this.#loaded = found
    if (read.status === 'rejected') throw read.reason
    await this.#gateway.reload(read.value)
    this.#warned.clear()
  }

  /** How long it is until this may be read; 0 for now. */
  #unsettled({ state, definitions }: Pick<Look, 'state' | 'definitions'>): number {
    const now = performance.now()
    const missing = [...this.#loaded.definitions].filter((file) => !definitions.has(file))
    this.#missing = new Map(missing.map((file) => [file, this.#missing.get(file) ?? now]))
    const changing = state !== this.#seen
    this.#seen = state
    const back = [...this.#missing.values()].map((since) => since + GONE_MS - now)
    return Math.max(0, changing ? SETTLED_MS : 0, ...back)
  }

  /** Looks at the files, and sees to it that every later change is an event. */
  async #look(): Promise<Omit<Look, 'directories'> & { readonly deaf: GatewayError | undefined }> {
    for (let looks = 1; ; looks += 1) {
      const { directories, ...found } = await look(this.#paths.files, this.#paths.plugins)
      const known = this.#watchers
      const deaf = this.#closed ? undefined : this.#listenTo(directories)
      // Whatever happened before somebody listened to a directory was no event.
      const heard = [...directories].every((directory) => known.has(directory) && this.#watchers.has(directory))
      if (heard || deaf !== undefined || this.#closed || looks === MAX_LOOKS) return { ...found, deaf }
    }
  }

  /** All of them anew: under an old name there may be another directory, of which the old watcher hears nothing. */
  #listenTo(directories: ReadonlySet<string>): GatewayError | undefined {
    const before = this.#watchers
    this.#watchers = new Map()
    let deaf: GatewayError | undefined
    for (const directory of directories) {
      try {
        const watcher = watchDirectory(directory, { persistent: false }, () => this.#lookIn(SETTLED_MS))
        watcher.on('error', () => this.#lookIn(SETTLED_MS))
        this.#watchers.set(directory, watcher)
      } catch (error) {
        // What has gone since it was looked at is looked for again.
        const code = String((error as NodeJS.ErrnoException).code)
        if (code !== 'ENOENT') deaf ??= deafness(directory, code, error)
      }
    }
    for (const watcher of before.values()) watcher.close()
    return deaf
  }

  #warn(error: unknown): void {
    const message = error instanceof Error ? error.message : describe(error)
    if (this.#warned.has(message)) return
    this.#warned.add(message)
    process.emitWarning(`watch(): ${message}`, 'PosternWarning')
  }
}

const ADVICE: Readonly<Record<string, string>> = {
  ENOSPC: ' Raise fs.inotify.max_user_watches.',
  EMFILE: ' Raise fs.inotify.max_user_instances, or the limit of open files.',
}

function deafness(directory: string, code: string, cause: unknown): GatewayError {
  const message = `Cannot watch ${directory} (${code}): what changes in it goes unnoticed.${ADVICE[code] ?? ''}`
  return new GatewayError('PSTN_INTERNAL', message, { cause })
}

/** Whatever becomes of telling it, nobody else is bothered. */
function guarded(onError: (error: unknown) => unknown): (error: unknown) => void {
  const tell = async (error: unknown): Promise<void> => {
    try {
      await onError(error)
    } catch (thrown) {
      process.emitWarning(`onError of watch() failed: ${describe(thrown)}`, 'PosternWarning')
    }
  }
  return (error) => void tell(error)
}
