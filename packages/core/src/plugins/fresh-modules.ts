import Module, { createRequire } from 'node:module'
import path from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { types } from 'node:util'
import { isBelow, isInNodeModules } from './plugin-sources.ts'

// Node loads a module once for each URL. A number in the URL makes it another one; a hook hands it on to what that imports.
const MARKER = /[?&]postern=(\d+)/
const OWN_SPECIFIER = /^(?:\.{0,2}\/|#|file:)/

const require = createRequire(import.meta.url)

// In the registry of symbols: two copies of this package must not give two modules one URL.
const COUNT = Symbol.for('postern.freshModules')
const shared = globalThis as { [COUNT]?: number }

/** Directories whose modules are loaded afresh, as URLs with a slash at the end, and their last number. */
const folders = new Map<string, number>()

/**
 * From here on files below the directory can be loaded anew: returns the number for `moduleUrl`. Node keeps what it
 * loaded before for as long as the process lives.
 */
export function startFresh(directory: string): number {
  const number = (shared[COUNT] ?? 0) + 1
  shared[COUNT] = number
  const folder = folderUrl(directory)
  if (!folders.has(folder)) installHook(folder)
  folders.set(folder, number)
  for (const file of requiredBelow(directory)) Reflect.deleteProperty(require.cache, file)
  return number
}

/** Where to import a file from; without a number it is the module everybody else gets. */
export function moduleUrl(file: string, number: number | undefined): string {
  const { href } = pathToFileURL(file)
  return number === undefined ? href : `${href}?postern=${number}`
}

/** What a CommonJS file exports: Node finds only some of it by name. Undefined for ES modules. */
export function requiredExports(file: string): unknown {
  const exports: unknown = require.cache[file]?.exports
  return types.isModuleNamespaceObject(exports) ? undefined : exports
}

/** ES modules that CommonJS files got by `require`: no hook reaches them, so they stay as they were first loaded. */
export function requiredEsModules(directory: string): string[] {
  return requiredBelow(directory).filter((file) => types.isModuleNamespaceObject(require.cache[file]?.exports))
}

function requiredBelow(directory: string): string[] {
  // Native addons cannot be loaded twice.
  return Object.keys(require.cache).filter(
    (file) => isBelow(directory, file) && !isInNodeModules(directory, file) && path.extname(file) !== '.node',
  )
}

interface Resolved {
  readonly url: string
}

interface ResolveContext {
  readonly parentURL?: string
  readonly conditions?: readonly string[]
}

type Resolve = (
  specifier: string,
  context: ResolveContext,
  next: (specifier: string, context: ResolveContext) => Resolved,
) => Resolved

/** Node 22.15 and newer. */
type RegisterHooks = (hooks: { resolve: Resolve }) => void

let installed = false

function installHook(folder: string): void {
  const { registerHooks } = Module as unknown as { registerHooks?: RegisterHooks }
  if (registerHooks === undefined) {
    Module.register(`data:text/javascript,${encodeURIComponent(hookOfOldNode(folder))}`)
  } else if (!installed) {
    registerHooks({ resolve: resolveFresh })
    installed = true
  }
}

const resolveFresh: Resolve = (specifier, context, next) => {
  const resolved = next(specifier, context)
  const { parentURL = '', conditions = [] } = context
  if (!OWN_SPECIFIER.test(specifier) || !conditions.includes('import')) return resolved
  for (const [folder, last] of folders) {
    if (!parentURL.startsWith(folder) || !resolved.url.startsWith(folder)) continue
    const number = MARKER.exec(parentURL)?.[1] ?? (isRequired(parentURL) ? last : undefined)
    const below = resolved.url.slice(folder.length)
    if (number === undefined || /(?:^|\/)node_modules\/|\.node$/.test(below)) continue
    const url = new URL(resolved.url)
    url.searchParams.set('postern', String(number))
    return { ...resolved, url: url.href }
  }
  return resolved
}

// The URL of a CommonJS file carries no number, but it is in the cache only as its last load left it.
function isRequired(url: string): boolean {
  return requiredExports(fileURLToPath(url)) !== undefined
}

/** The same for Node before 22.15, where hooks run in a thread of their own: text, since that thread loads no TypeScript. */
function hookOfOldNode(folder: string): string {
  return `
const folder = ${JSON.stringify(folder)}
export async function resolve(specifier, context, next) {
  const resolved = await next(specifier, context)
  const { parentURL = '' } = context
  if (!${String(OWN_SPECIFIER)}.test(specifier)) return resolved
  if (!parentURL.startsWith(folder) || !resolved.url.startsWith(folder)) return resolved
  const number = ${String(MARKER)}.exec(parentURL)?.[1]
  if (number === undefined || /(?:^|\\/)node_modules\\/|\\.node$/.test(resolved.url.slice(folder.length))) return resolved
  const url = new URL(resolved.url)
  url.searchParams.set('postern', number)
  return { ...resolved, url: url.href }
}`
}

function folderUrl(directory: string): string {
  const { href } = pathToFileURL(directory)
  return href.endsWith('/') ? href : `${href}/`
}
