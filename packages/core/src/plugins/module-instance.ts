import process from 'node:process'
import { pathToFileURL } from 'node:url'
import type { ApiInfo } from '../api.ts'
import { describe, GatewayError, stackOf } from '../errors.ts'
import { withoutEcho } from './echoed-rejections.ts'
import { moduleUrl, requiredExports } from './fresh-modules.ts'

/** What importing a file and its `init` may take together; `close` has as much again. */
const LOAD_TIMEOUT_MS = 30_000
const LOAD_TIME = '30 seconds'

type Exports = Readonly<Record<string, unknown>>
type Call = (...args: readonly unknown[]) => unknown

/** One evaluation of a plugin file, shared by the APIs that use it. */
export class ModuleInstance {
  readonly #file: string
  readonly #directory: string
  readonly #loading: Promise<Exports>
  readonly #inits = new WeakMap<ApiInfo, Promise<void>>()
  readonly #initialisedFor = new Set<string>()
  #loadTimeLeft = LOAD_TIMEOUT_MS
  #uses = 0
  #serves = false
  /** Broken or closed: nobody gets it any more. */
  #spent = false

  constructor(file: string, directory: string, number: number | undefined) {
    this.#file = file
    this.#directory = directory
    this.#loading = this.#load(number)
    // Whoever opens it is told.
    this.#loading.catch(() => undefined)
  }

  /** Whether the API may have this one: not when it was closed, or when `init` gave it the state of an older definition. */
  isFor(apiId: string): boolean {
    return !this.#spent && !this.#initialisedFor.has(apiId)
  }

  /** Counts from the call on, also while it still loads. */
  async use(): Promise<Exports> {
    this.#uses += 1
    try {
      return await this.#loading
    } catch (error) {
      this.#uses -= 1
      throw error
    }
  }

  /** Once for each API, however many uses it has. */
  async init(api: ApiInfo): Promise<void> {
    const { init } = await this.#loading
    if (init === undefined) return
    this.#initialisedFor.add(api.id)
    let done = this.#inits.get(api)
    if (done === undefined) {
      done = this.#call('init', init, this.#loadTimeLeft, api)
      this.#inits.set(api, done)
    }
    await done
  }

  /** An API that uses it serves from now on. */
  begin(): void {
    this.#serves = true
  }

  /** The last one out calls `close`, which may take that long. */
  async release(timeoutMs: number): Promise<void> {
    this.#uses -= 1
    const { close } = await this.#loading
    if (this.#uses > 0 || this.#spent || close === undefined) return
    // What was only looked at has nothing to end, and may still serve.
    if (!this.#serves && this.#initialisedFor.size === 0) return
    this.#spent = true
    await this.#call('close', close, Math.min(timeoutMs, LOAD_TIMEOUT_MS))
  }

  async #load(number: number | undefined): Promise<Exports> {
    const started = performance.now()
    try {
      refuseTypeScript(this.#file)
      const url = moduleUrl(this.#file, number)
      const importing = withoutEcho(import(/* @vite-ignore */ url) as Promise<Exports>)
      const exports = exportsOf(this.#file, await this.#within(LOAD_TIMEOUT_MS, LOAD_TIME, 'Importing', importing))
      for (const name of ['init', 'close'] as const) {
        if (exports[name] !== undefined && typeof exports[name] !== 'function') {
          throw unloadable(`${this.#file} exports "${name}", which is no function but ${describe(exports[name])}.`)
        }
      }
      this.#loadTimeLeft = Math.max(1, LOAD_TIMEOUT_MS - (performance.now() - started))
      return exports
    } catch (cause) {
      this.#spent = true
      if (cause instanceof GatewayError && cause.code === 'PSTN_PLUGIN_UNLOADABLE') throw cause
      const stack = stackOf(cause)
      const where = placeBelow(this.#directory, stack) ?? (cause instanceof SyntaxError ? NOWHERE : '')
      throw unloadable(
        `The plugin file ${this.#file} cannot be loaded: ${describe(cause)}${where}${hint(cause)}`,
        cause,
      )
    }
  }

  async #call(name: 'init' | 'close', run: unknown, timeoutMs: number, ...args: readonly unknown[]): Promise<void> {
    try {
      const limit = name === 'init' ? LOAD_TIME : `${Math.round(timeoutMs)} ms`
      await this.#within(timeoutMs, limit, `${name}() of`, (async () => (run as Call)(...args))())
    } catch (cause) {
      if (cause instanceof GatewayError && cause.code === 'PSTN_PLUGIN_UNLOADABLE') throw cause
      throw unloadable(`${name}() of the plugin file ${this.#file} failed: ${describe(cause)}`, cause)
    }
  }

  async #within<T>(timeoutMs: number, limit: string, what: string, work: Promise<T>): Promise<T> {
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        reject(unloadable(`${what} the plugin file ${this.#file} took more than ${limit}.`))
      }, timeoutMs)
    })
    try {
      return await Promise.race([work, late])
    } finally {
      clearTimeout(timer)
    }
  }
}

function unloadable(message: string, cause?: unknown): GatewayError {
  return new GatewayError('PSTN_PLUGIN_UNLOADABLE', message, cause === undefined ? {} : { cause })
}

function exportsOf(file: string, imported: Exports): Exports {
  const required = requiredExports(file)
  return (typeof required === 'object' && required !== null) || typeof required === 'function'
    ? (required as Exports)
    : imported
}

const NEEDED = 'use Node 22.18 or newer, or compile it to JavaScript'

function refuseTypeScript(file: string): void {
  const { typescript } = process.features as { readonly typescript?: string | false }
  if (!/\.[cm]?ts$/.test(file) || typeof typescript === 'string') return
  throw unloadable(`${file} is TypeScript, which this Node (${process.version}) does not run: ${NEEDED}.`)
}

/** What Node's own message does not say. */
function hint(cause: unknown): string {
  const told = describe(cause)
  if (/Unknown file extension "\.[cm]?ts"/.test(told)) return `. To run TypeScript, ${NEEDED}`
  if (told.includes('not supported in strip-only mode')) {
    return '. Node only removes types: write without enum, namespace and parameter properties, or compile it to JavaScript'
  }
  return ''
}

// Node keeps to itself where an ES module cannot be parsed.
const NOWHERE = ', in this file or in one it imports; node --check shows the line'

/** The first line of the stack that is below the directory, without the number in its URL. */
function placeBelow(directory: string, stack: string): string | undefined {
  for (const line of stack.split('\n')) {
    for (const prefix of [pathToFileURL(directory).href, directory]) {
      const at = line.indexOf(`${prefix}/`)
      const place = at === -1 ? null : /^([^?:]+)(?:\?[^:]*)?:(\d+)/.exec(line.slice(at + prefix.length + 1))
      if (place !== null) return ` (${place.slice(1).join(':')})`
    }
  }
  return undefined
}
