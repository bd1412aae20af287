import { mkdirSync, renameSync, rmSync, symlinkSync, utimesSync } from 'node:fs'
import Module from 'node:module'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { type ApiInfo, isGatewayError } from '@postern/core'
import { parseDefinitions } from '../../packages/core/src/definition/parse.ts'
import { inPlace } from '../../packages/core/src/loading/load-plugins.ts'
import { type ModuleUse, PluginModules } from '../../packages/core/src/plugins/plugin-modules.ts'
import { pluginFolder, writeFiles } from '../support/plugin-folder.ts'
import { watchProcess } from '../support/process.ts'

const runsTypeScript = typeof (process.features as { typescript?: unknown }).typescript === 'string'

function api(id: string): ApiInfo {
  const [parsed] = parseDefinitions({ name: id, id, upstream: 'http://127.0.0.1:9' }).definitions
  if (parsed === undefined) throw new Error('no definition')
  return { id, orgId: '', name: id, definition: inPlace(parsed.draft), document: undefined }
}

const run = (use: ModuleUse, functionName: string): unknown => use.function(functionName)()

async function refused(what: Promise<unknown> | (() => unknown)): Promise<string> {
  try {
    await (typeof what === 'function' ? what() : what)
  } catch (error) {
    if (isGatewayError(error)) return `${error.code} ${error.message}`
    throw error
  }
  throw new Error('it was not refused')
}

/** A module that counts its own evaluations. */
const counting = (name: string): string =>
  `const nth = globalThis[${JSON.stringify(name)}] = (globalThis[${JSON.stringify(name)}] ?? 0) + 1\n`

let names = 0
const newName = (): string => `postern-test-${(names += 1)}`

afterEach(() => void vi.useRealTimers())

describe('a path of a definition', () => {
  it('means the file below the directory, however it begins', async () => {
    const folder = pluginFolder({ 'sub/a.mjs': 'export const f = () => import.meta.url' })
    const modules = new PluginModules(pathToFileURL(folder))
    for (const written of ['sub/a.mjs', './sub/a.mjs', '/sub/a.mjs', 'sub//./a.mjs']) {
      const use = await modules.open(written, 'a')
      expect([use.path, run(use, 'f')]).toEqual([written, pathToFileURL(path.join(folder, 'sub/a.mjs')).href])
    }
  })

  it.each(['.so', '.py', '.lua', ''])(
    'of a Tyk document that ends in "%s" finds the file in our languages',
    async (end) => {
      const folder = pluginFolder({
        'opt/tyk/here.mjs': 'export const f = () => 1',
        'alone.cjs': 'exports.f = () => 2',
      })
      const modules = new PluginModules(folder)
      expect(run(await modules.open(`./opt/tyk/here${end}`, 'a'), 'f')).toBe(1)
      expect(run(await modules.open(`/opt/tyk/alone${end}`, 'a'), 'f')).toBe(2)
    },
  )

  it('keeps a version in its name', async () => {
    const modules = new PluginModules(pluginFolder({ 'auth.mjs': '', 'auth.v2.mjs': 'export const f = () => 2' }))
    expect(run(await modules.open('auth.v2', 'a'), 'f')).toBe(2)
  })

  it('that two files fit is refused', async () => {
    const modules = new PluginModules(pluginFolder({ 'opt/x.mjs': '', 'opt/x.js': '' }))
    expect(await refused(modules.open('opt/x.so', 'a'))).toMatch(
      /^PSTN_PLUGIN_NOT_FOUND Several files fit the plugin path "opt\/x.so": opt\/x.js and opt\/x.mjs\. Keep one/,
    )
  })

  it('that leads to a file by its name alone must be the only one that does', async () => {
    const modules = new PluginModules(pluginFolder({ 'x.mjs': 'export const f = () => 1' }))
    const first = await modules.open('opt/one/x.so', 'a')
    await modules.open('./opt/one/x.so', 'b')
    for (const id of ['a', 'b']) {
      expect(await refused(modules.open('opt/two/x.so', id))).toMatch(
        /paths "opt\/two\/x.so" and "(?:.\/)?opt\/one\/x.so" both lead to .*x.mjs, by their file name alone/,
      )
    }
    expect(run(await modules.open('x.so', 'c'), 'f')).toBe(1)
    expect(run(first, 'f')).toBe(1)
  })

  it('may become another one in the next version of the same API', async () => {
    const modules = new PluginModules(pluginFolder({ 'x.mjs': 'export const f = () => 1' }))
    await modules.open('opt/one/x.so', 'a')
    await modules.refresh()
    const next = await modules.open('opt/two/x.so', 'a')
    expect(await refused(modules.open('opt/three/x.so', 'b'))).toContain('by their file name alone')
    expect(run(next, 'f')).toBe(1)
  })

  it.each([
    ['../out.mjs', '".."'],
    ['sub/../../out.mjs', '".."'],
    ['/../out.mjs', '".."'],
    ['..', '".."'],
    ['../out.so', '".."'],
    ['sub\\..\\out.mjs', 'a backslash'],
    ['a.mjs\0.so', 'a NUL character'],
    ['file:///etc/a.mjs', 'a URL'],
    ['FILE:a.mjs', 'a URL'],
    ['data:text/javascript,export const f = 1', 'a URL'],
    ['node:fs', 'a URL'],
    ['https://example.org/a.mjs', 'a URL'],
    ['C:/a.mjs', 'a drive'],
    ['%2e%2e/out.mjs', 'percent-encoding'],
    ['..%2fout.mjs', 'percent-encoding'],
    ['sub%5C..%5Cout.mjs', 'percent-encoding'],
    ['node_modules/p/index.mjs', 'node_modules'],
    ['sub/node_modules/p.mjs', 'node_modules'],
    ['.git/hooks.mjs', 'a dot (".git")'],
    ['sub/', 'a directory'],
    ['/', 'a directory'],
    ['', 'an empty string'],
  ])('%j is refused, saying why', async (written, reason) => {
    const folder = pluginFolder({
      'out.mjs': 'throw new Error("loaded")',
      'plugins/sub/a.mjs': '',
      'plugins/node_modules/p/index.mjs': '',
      'plugins/sub/node_modules/p.mjs': '',
      'plugins/.git/hooks.mjs': '',
    })
    const told = await refused(new PluginModules(path.join(folder, 'plugins')).open(written, 'a'))
    expect(told).toMatch(/^PSTN_PLUGIN_NOT_FOUND /)
    expect(told).toContain(reason)
    expect(told).toContain('like "auth.mjs"')
  })

  it('is refused when a symbolic link leads out, or to what is no file', async () => {
    const folder = pluginFolder({ 'out.mjs': '', 'plugins/node_modules/p.mjs': '', 'plugins/dir.mjs/x': '' })
    const plugins = path.join(folder, 'plugins')
    symlinkSync('../out.mjs', path.join(plugins, 'out.mjs'))
    symlinkSync('..', path.join(plugins, 'up'))
    symlinkSync('node_modules/p.mjs', path.join(plugins, 'p.mjs'))
    symlinkSync('loop.mjs', path.join(plugins, 'loop.mjs'))
    const modules = new PluginModules(plugins)
    const leads = `PSTN_PLUGIN_NOT_FOUND The plugin path "%" is refused: a symbolic link leads out of ${plugins}, to`
    for (const written of ['out.mjs', 'up/out.mjs']) {
      expect(await refused(modules.open(written, 'a'))).toContain(leads.replace('%', written))
    }
    expect(await refused(modules.open('out.so', 'a'))).toContain(leads.replace('%', 'out.so'))
    expect(await refused(modules.open('p.mjs', 'a'))).toContain('a symbolic link leads into node_modules')
    expect(await refused(modules.open('dir.mjs', 'a'))).toContain('is not a regular file')
    expect(await refused(modules.open('loop.mjs', 'a'))).toMatch(/^PSTN_PLUGIN_UNLOADABLE .*cannot be read: ELOOP/)
  })

  it('may be a link within the directory, as mounted volumes are made', async () => {
    const folder = pluginFolder({
      '..v1/a.mjs': 'export { n } from "./lib.mjs"',
      '..v1/lib.mjs': 'export const n = () => 1',
      '..v2/a.mjs': 'export { n } from "./lib.mjs"',
      '..v2/lib.mjs': 'export const n = () => 2',
    })
    symlinkSync('..v1', path.join(folder, '..data'))
    symlinkSync('..data/a.mjs', path.join(folder, 'a.mjs'))
    symlinkSync('..data/lib.mjs', path.join(folder, 'lib.mjs'))
    const modules = new PluginModules(folder)
    expect(run(await modules.open('a.mjs', 'a'), 'n')).toBe(1)
    symlinkSync('..v2', path.join(folder, '..new'))
    renameSync(path.join(folder, '..new'), path.join(folder, '..data'))
    expect(await modules.refresh()).toBe(1)
    expect(run(await modules.open('a.mjs', 'a'), 'n')).toBe(2)
  })

  it('nobody can find names what was looked for, what is there and what is near', async () => {
    const folder = pluginFolder({ 'auth/check-key.mjs': '', 'stamp.js': '', 'types.d.ts': '', 'data.json': '{}' })
    const modules = new PluginModules(folder)
    expect(await refused(modules.open('check-kye.mjs', 'a'))).toBe(
      `PSTN_PLUGIN_NOT_FOUND There is no plugin file for "check-kye.mjs" below ${folder}. Did you mean "auth/check-key.mjs"? There are: auth/check-key.mjs, stamp.js.`,
    )
    expect(await refused(modules.open('opt/none.so', 'a'))).toMatch(
      /Looked for opt\/none.ts, .* none.mjs, none.cjs\. There are:/,
    )
    expect(await refused(modules.open(path.join(folder, 'stamp.js'), 'a'))).toContain('directory: write "stamp.js"')
    const many = Object.fromEntries(Array.from({ length: 12 }, (_, i) => [`p${i}.js`, '']))
    expect(await refused(new PluginModules(pluginFolder(many)).open('x.js', 'a'))).toContain('p7.js and 2 more.')
    expect(await refused(new PluginModules(pluginFolder()).open('x.js', 'a'))).toContain('There are no plugin files.')
  })
})

describe('a plugins directory', () => {
  it('that is not there is told when a file is opened, and may come later', async () => {
    const folder = path.join(pluginFolder(), 'plugins')
    const modules = new PluginModules(folder)
    expect(await modules.refresh()).toBe(0)
    expect(await refused(modules.open('a.mjs', 'a'))).toBe(
      `PSTN_PLUGIN_NOT_FOUND There is no plugin file "a.mjs": the plugins directory ${folder} does not exist.`,
    )
    writeFiles(folder, { 'a.mjs': 'export const f = () => 1' })
    expect(run(await modules.open('a.mjs', 'a'), 'f')).toBe(1)
    rmSync(folder, { recursive: true })
    const before = await modules.refresh()
    expect(await refused(modules.open('a.mjs', 'a'))).toContain('does not exist')
    expect(before).toBeGreaterThan(0)
  })

  it('is a directory, given by path or file URL', async () => {
    const folder = pluginFolder({ 'a.mjs': '' })
    const modules = new PluginModules(path.join(folder, 'a.mjs'))
    expect(await refused(modules.open('a.mjs', 'a'))).toContain('is no directory')
    expect(await refused(() => new PluginModules(new URL('https://example.org/plugins')))).toMatch(
      /^PSTN_OPTIONS_INVALID/,
    )
    expect(await new PluginModules(pathToFileURL(folder).href).open('a.mjs', 'a')).toBeDefined()
  })

  it('has changed when the content or the name of a source has, and only then', async () => {
    const folder = pluginFolder({
      'a.mjs': '1',
      'sub/b.json': '{}',
      'read.me': '',
      'node_modules/p.mjs': '',
      '.git/x.js': '',
    })
    const modules = new PluginModules(folder)
    expect(await modules.refresh()).toBe(0)
    const touch = (file: string): void => utimesSync(path.join(folder, file), 1, 1)
    const write = (file: string, text: string) => (): void => writeFiles(folder, { [file]: text })
    const changes: [() => void, boolean][] = [
      [() => touch('a.mjs'), false],
      [write('a.mjs', '1'), false],
      [write('read.me', '2'), false],
      [write('node_modules/p.mjs', '2'), false],
      [write('.git/x.js', '2'), false],
      [write('a.mjs', '2'), true],
      [write('sub/b.json', '[]'), true],
      [write('sub/new.cts', ''), true],
      [() => renameSync(path.join(folder, 'a.mjs'), path.join(folder, 'c.mjs')), true],
      [() => rmSync(path.join(folder, 'c.mjs')), true],
      [() => mkdirSync(path.join(folder, 'empty')), false],
    ]
    let number = 0
    for (const [change, counts] of changes) {
      change()
      if (counts) number += 1
      expect([String(change), await modules.refresh()]).toEqual([String(change), number])
    }
  })
})

describe('a function of a plugin file', () => {
  const source = `
    export const stampRequest = () => 1
    export function checkKey() {}
    export class Checker {}
    export const limit = 5
    export const nothing = null
    export const init = () => {}`

  it('that is not exported is told with those that are', async () => {
    const use = await new PluginModules(pluginFolder({ 'a.mjs': source })).open('a.mjs', 'a')
    expect(await refused(() => use.function('stampReqest'))).toBe(
      'PSTN_PLUGIN_NOT_FOUND The plugin file "a.mjs" does not export "stampReqest". Did you mean "stampRequest"? The functions it exports: checkKey, stampRequest.',
    )
    expect(await refused(() => use.function('limit'))).toContain(
      '"limit" of the plugin file "a.mjs" is no function but 5.',
    )
    expect(await refused(() => use.function('Checker'))).toContain('is no function but the class Checker.')
    expect(await refused(() => use.function('nothing'))).toContain('is no function but null.')
    for (const name of ['toString', 'constructor', '__proto__', '']) {
      expect(await refused(() => use.function(name))).toContain('does not export')
    }
  })

  it('may be any own property of what a CommonJS file exports', async () => {
    const modules = new PluginModules(
      pluginFolder({ 'a.cjs': 'const make = () => ({ f: () => 1 })\nmodule.exports = make()' }),
    )
    const use = await modules.open('a.cjs', 'a')
    expect(run(use, 'f')).toBe(1)
    expect(await refused(() => use.function('hasOwnProperty'))).toContain('The functions it exports: f.')
  })
})

describe('a file that cannot be loaded', () => {
  it.each([
    [
      'a syntax error',
      'export const f = () => {',
      /SyntaxError: .*, in this file or in one it imports; node --check shows the line$/,
    ],
    ['a name another file does not export', 'import { f } from "./empty.mjs"', /SyntaxError: .*'f' \(a.mjs:1\)$/],
    ['an exception', '\nthrow new RangeError("no database")', /: RangeError: no database \(a.mjs:2\)$/],
    ['a thrown null', 'throw null', /: null$/],
    ['a package that is not there', 'import "@example/none"', /: Error: Cannot find package '@example\/none'/],
    ['an error of a file it imports', 'import "./lib.mjs"', /: Error: broken \(lib.mjs:1\)$/],
    ['an init that is none', 'export const init = 5', /exports "init", which is no function but 5/],
    ['a close that is none', 'export const close = {}', /exports "close", which is no function but an empty object/],
  ])('by %s is named with the cause', async (_, source, told) => {
    const seen = watchProcess()
    const folder = pluginFolder({
      'a.mjs': source,
      'lib.mjs': 'throw new Error("broken")',
      'broken.cjs': '\nconst a = ;',
      'empty.mjs': '',
    })
    const text = await refused(new PluginModules(folder).open('a.mjs', 'a'))
    expect(text.startsWith(`PSTN_PLUGIN_UNLOADABLE `)).toBe(true)
    expect(text).toContain(path.join(folder, 'a.mjs'))
    expect(text).toMatch(told)
    expect(seen).toEqual([])
  })

  it('is tried again, as a new module, the next time it is opened', async () => {
    const name = newName()
    const folder = pluginFolder({
      'a.mjs': `${counting(name)}if (nth === 1) throw new Error('not yet')\nexport const f = () => nth`,
    })
    const modules = new PluginModules(folder)
    expect(await refused(modules.open('a.mjs', 'a'))).toContain('not yet')
    expect(run(await modules.open('a.mjs', 'a'), 'f')).toBe(2)
  })

  it('because it hangs is an error after 30 seconds', async () => {
    const seen = watchProcess()
    vi.useFakeTimers()
    const modules = new PluginModules(pluginFolder({ 'a.mjs': 'await new Promise(() => {})' }))
    const opened = refused(modules.open('a.mjs', 'a'))
    await vi.waitUntil(() => vi.getTimerCount() === 1)
    await vi.advanceTimersByTimeAsync(30_000)
    expect(await opened).toMatch(
      /^PSTN_PLUGIN_UNLOADABLE Importing the plugin file .*a.mjs took more than 30 seconds\.$/,
    )
    expect(seen).toEqual([])
  })

  it.runIf(!runsTypeScript)('since it is TypeScript says which Node it needs', async () => {
    const modules = new PluginModules(pluginFolder({ 'a.ts': '', 'b.mjs': 'import "./a.ts"', 'x.cts': '' }))
    for (const written of ['a.ts', 'a.so', 'b.mjs', 'x.cts']) {
      expect(await refused(modules.open(written, 'a'))).toMatch(
        /^PSTN_PLUGIN_UNLOADABLE .*use Node 22.18 or newer, or compile it to JavaScript/,
      )
    }
  })

  it.runIf(runsTypeScript)('since its TypeScript is more than types says so', async () => {
    const modules = new PluginModules(pluginFolder({ 'a.mts': 'export enum Colour { Red }' }))
    expect(await refused(modules.open('a.mts', 'a'))).toMatch(
      /^PSTN_PLUGIN_UNLOADABLE .*Node only removes types: write without enum/,
    )
  })
})

/** A plugin file that calls another one, in every pair of kinds Node knows: its `f` tells both versions and both counts. */
const pairs: [string, string, (helper: string) => string, string, (version: string) => string][] = [
  ['ESM → ESM', 'a.mjs', esm('./lib.mjs'), 'lib.mjs', esmHelper],
  ['ESM → CJS', 'a.mjs', esm('./lib.cjs'), 'lib.cjs', cjsHelper],
  ['CJS → CJS', 'a.cjs', cjs, 'lib.cjs', cjsHelper],
  [
    'ESM → ESM, by an import when called',
    'a.mjs',
    (name) => `${counting(name)}export const f = async () => [nth, ...(await import('./lib.mjs')).g()]`,
    'lib.mjs',
    esmHelper,
  ],
  ['ESM → ESM, of a nested directory and back', 'in/a.mjs', esm('../lib.mjs'), 'lib.mjs', esmHelper],
]
if (runsTypeScript) {
  pairs.push(
    ['TS → TS', 'a.ts', esm('./lib.ts', 'as number[]'), 'lib.ts', esmHelper],
    ['TS → TS, CommonJS', 'a.cts', cjs, 'lib.cts', cjsHelper],
    ['TS → JS', 'a.mts', esm('./lib.mjs'), 'lib.mjs', esmHelper],
  )
}

function esm(from: string, cast = ''): (name: string) => string {
  return (name) =>
    `import { g } from ${JSON.stringify(from)}\n${counting(name)}export const f = () => [nth, ...(g()${cast && ` ${cast}`})]`
}
function cjs(name: string): string {
  return `${counting(name)}const { g } = require('./lib' + __filename.slice(-4))\nexports.f = () => [nth, ...g()]`
}
function esmHelper(version: string): string {
  return `${counting(`${version.split(' ')[0]}-helper`)}export const g = () => [nth, ${JSON.stringify(version)}]`
}
function cjsHelper(version: string): string {
  return `${counting(`${version.split(' ')[0]}-helper`)}exports.g = () => [nth, ${JSON.stringify(version)}]`
}

describe('after a change', () => {
  it.each(pairs)('everything below the directory is fresh: %s', async (_, file, source, helper, helperSource) => {
    const name = newName()
    const folder = pluginFolder({ [file]: source(name), [helper]: helperSource(`${name} 1`) })
    const modules = new PluginModules(folder)
    const first = await modules.open(file, 'a')
    expect(await run(first, 'f')).toEqual([1, 1, `${name} 1`])
    for (const nth of [2, 3]) {
      writeFiles(folder, { [helper]: helperSource(`${name} ${nth}`) })
      expect(await modules.refresh()).toBe(nth - 1)
      expect(await run(await modules.open(file, 'a'), 'f')).toEqual([nth, nth, `${name} ${nth}`])
    }
    expect(await run(first, 'f')).toEqual([1, 1, `${name} 1`])
  })

  it('two files share a third one, as they did before', async () => {
    const [name, used] = [newName(), 'export { g } from "./lib.mjs"']
    const folder = pluginFolder({ 'a.mjs': used, 'b.mjs': used, 'lib.mjs': esmHelper(`${name} 1`) })
    const modules = new PluginModules(folder)
    writeFiles(folder, { 'lib.mjs': esmHelper(`${name} 1`) })
    await modules.refresh()
    writeFiles(folder, { 'lib.mjs': esmHelper(`${name} 2`) })
    await modules.refresh()
    expect(run(await modules.open('a.mjs', 'a'), 'g')).toEqual([1, `${name} 2`])
    expect(run(await modules.open('b.mjs', 'a'), 'g')).toEqual([1, `${name} 2`])
  })

  it('packages and files outside stay what they are', async () => {
    const name = newName()
    const folder = pluginFolder({
      'outside.mjs': `${counting(`${name}-outside`)}export const outside = nth`,
      'plugins/node_modules/dep/package.json': '{ "name": "dep", "exports": "./index.mjs" }',
      'plugins/node_modules/dep/index.mjs': `${counting(`${name}-dep`)}export const dep = nth`,
      'plugins/package.json': '{ "imports": { "#lib": "./lib.mjs" } }',
      'plugins/lib.mjs': `${counting(`${name}-lib`)}export const lib = nth`,
      'plugins/a.mjs': `
        import { outside } from '../outside.mjs'
        import { dep } from 'dep'
        import { dep as same } from './node_modules/dep/index.mjs'
        import { lib } from '#lib'
        import data from './data.json' with { type: 'json' }
        export const f = () => [outside, dep, same, lib, data.version]`,
      'plugins/data.json': '{ "version": 1 }',
    })
    const modules = new PluginModules(path.join(folder, 'plugins'))
    expect(run(await modules.open('a.mjs', 'a'), 'f')).toEqual([1, 1, 1, 1, 1])
    writeFiles(folder, { 'plugins/data.json': '{ "version": 2 }' })
    await modules.refresh()
    expect(run(await modules.open('a.mjs', 'a'), 'f')).toEqual([1, 1, 1, 2, 2])
  })

  it('so is everything below a directory that a link leads to, whichever that is', async () => {
    const helper = (version: number): string => `export const g = () => ${version}`
    const folder = pluginFolder({
      'v 1 é/a.mjs': 'export { g } from "./lib.mjs"',
      'v 1 é/lib.mjs': helper(1),
      'v2/a.mjs': 'export { g } from "./lib.mjs"',
      'v2/lib.mjs': helper(3),
    })
    const current = path.join(folder, 'current')
    symlinkSync('v 1 é', current)
    const modules = new PluginModules(pathToFileURL(current))
    expect(run(await modules.open('a.mjs', 'a'), 'g')).toBe(1)
    writeFiles(folder, { 'v 1 é/lib.mjs': helper(2) })
    expect(await modules.refresh()).toBe(1)
    expect(run(await modules.open('a.mjs', 'a'), 'g')).toBe(2)
    rmSync(current)
    symlinkSync('v2', current)
    expect(await modules.refresh()).toBe(2)
    expect(run(await modules.open('a.mjs', 'a'), 'g')).toBe(3)
  })

  it('a path relative to import.meta.url means what it did', async () => {
    const folder = pluginFolder({ 'a.mjs': 'export const f = () => new URL("./data.txt", import.meta.url).href' })
    const modules = new PluginModules(folder)
    await modules.open('a.mjs', 'a')
    writeFiles(folder, { 'b.mjs': '' })
    await modules.refresh()
    expect(run(await modules.open('a.mjs', 'a'), 'f')).toBe(pathToFileURL(path.join(folder, 'data.txt')).href)
  })

  it('an ES module that a CommonJS file requires is old, and that is said once', async () => {
    const name = newName()
    const folder = pluginFolder({
      'a.cjs': "exports.f = () => require('./lib.mjs').g()\nexports.f()",
      'lib.mjs': esmHelper(`${name} 1`),
    })
    const warnings: string[] = []
    const modules = new PluginModules(folder, (message) => warnings.push(message))
    await modules.open('a.cjs', 'a')
    expect(warnings).toEqual([])
    for (const version of [2, 3]) {
      writeFiles(folder, { 'lib.mjs': esmHelper(`${name} ${version}`) })
      await modules.refresh()
      expect(run(await modules.open('a.cjs', 'a'), 'f')).toEqual([1, `${name} 1`])
    }
    expect(warnings).toEqual([
      expect.stringMatching(/lib.mjs is an ES module that a CommonJS file requires: Node does not/),
    ])
  })

  it.runIf('registerHooks' in Module)('an ES module that a CommonJS file imports is fresh', async () => {
    const name = newName()
    const folder = pluginFolder({
      'a.cjs': "exports.f = async () => (await import('./lib.mjs')).g()",
      'lib.mjs': esmHelper(`${name} 1`),
    })
    const modules = new PluginModules(folder)
    expect(await run(await modules.open('a.cjs', 'a'), 'f')).toEqual([1, `${name} 1`])
    writeFiles(folder, { 'lib.mjs': esmHelper(`${name} 2`) })
    await modules.refresh()
    expect(await run(await modules.open('a.cjs', 'a'), 'f')).toEqual([2, `${name} 2`])
  })
})

describe('state of a module', () => {
  it('is shared by the APIs, the gateways and whoever imports the file', async () => {
    const folder = pluginFolder({
      'a.mjs': `${counting(newName())}export const state = {}\nexport const f = () => state`,
    })
    const modules = new PluginModules(folder)
    const states = [
      run(await modules.open('a.mjs', 'a'), 'f'),
      run(await modules.open('./a.so', 'b'), 'f'),
      run(await new PluginModules(folder).open('a.mjs', 'c'), 'f'),
      ((await import(/* @vite-ignore */ pathToFileURL(path.join(folder, 'a.mjs')).href)) as { state: unknown }).state,
    ]
    expect(new Set(states).size).toBe(1)
  })

  it('of a directory that changed while no gateway looked is that of the new content', async () => {
    const folder = pluginFolder({ 'a.mjs': 'export const f = () => 1' })
    expect(run(await new PluginModules(folder).open('a.mjs', 'a'), 'f')).toBe(1)
    writeFiles(folder, { 'a.mjs': 'export const f = () => 2' })
    const later = new PluginModules(folder)
    expect(await later.refresh()).toBe(0)
    expect(run(await later.open('a.mjs', 'a'), 'f')).toBe(2)
  })

  const withInit = `
    const seen = []
    export const init = (api) => void seen.push(api.id)
    export const f = () => seen`

  it('learns of each API once, before anything runs', async () => {
    const modules = new PluginModules(pluginFolder({ 'a.mjs': withInit }))
    const [a, again, b] = [
      await modules.open('a.mjs', 'a'),
      await modules.open('./a.mjs', 'a'),
      await modules.open('a.mjs', 'b'),
    ]
    const ofA = api('a')
    await Promise.all([a.init(ofA), again.init(ofA), b.init(api('b'))])
    expect([run(a, 'f'), run(again, 'f'), run(b, 'f')]).toEqual(Array.from({ length: 3 }, () => ['a', 'b']))
  })

  it('is another one for the next version of an API it was initialised for', async () => {
    const modules = new PluginModules(
      pluginFolder({ 'a.mjs': withInit, 'plain.mjs': 'const state = {}\nexport const f = () => state' }),
    )
    const old = await modules.open('a.mjs', 'a')
    await old.init(api('a'))
    const next = await modules.open('a.mjs', 'a')
    await next.init(api('a'))
    const other = await modules.open('a.mjs', 'b')
    await other.init(api('b'))
    expect([run(old, 'f'), run(next, 'f'), run(other, 'f')]).toEqual([['a'], ['a', 'b'], ['a', 'b']])
    const [one, two] = [await modules.open('plain.mjs', 'a'), await modules.open('plain.mjs', 'a')]
    await one.init(api('a'))
    expect(run(two, 'f')).toBe(run(one, 'f'))
    expect(run(await modules.open('plain.mjs', 'a'), 'f')).toBe(run(one, 'f'))
  })

  it('is refused when init fails, and another one the next time', async () => {
    const name = newName()
    const modules = new PluginModules(
      pluginFolder({
        'a.mjs': `${counting(name)}export const init = async () => { if (nth === 1) throw new Error('no database') }`,
      }),
    )
    const use = await modules.open('a.mjs', 'a')
    const told = await refused(use.init(api('a')))
    expect(told).toMatch(/^PSTN_PLUGIN_UNLOADABLE init\(\) of the plugin file .*a.mjs failed: Error: no database$/)
    await use.release()
    await (await modules.open('a.mjs', 'a')).init(api('a'))
  })

  it('has 30 seconds for import and init together', async () => {
    const modules = new PluginModules(pluginFolder({ 'a.mjs': 'export const init = () => new Promise(() => {})' }))
    const use = await modules.open('a.mjs', 'a')
    vi.useFakeTimers()
    const initialised = refused(use.init(api('a')))
    await vi.advanceTimersByTimeAsync(30_000)
    expect(await initialised).toMatch(/init\(\) of the plugin file .*a.mjs took more than 30 seconds\.$/)
  })

  const withClose =
    'const state = { closed: 0 }\nexport const close = () => void (state.closed += 1)\nexport const f = () => state'

  it('is closed once, after its last use, and never used again', async () => {
    const folder = pluginFolder({ 'a.mjs': withClose })
    const [one, other] = [new PluginModules(folder), new PluginModules(folder)]
    const uses = [await one.open('a.mjs', 'a'), await one.open('a.mjs', 'b'), await other.open('a.mjs', 'c')]
    const state = run(uses[0]!, 'f')
    uses[1]!.begin()
    await uses[0]!.release()
    await uses[0]!.release()
    await uses[1]!.release()
    expect(state).toEqual({ closed: 0 })
    await uses[2]!.release()
    expect(state).toEqual({ closed: 1 })
    const again = await one.open('a.mjs', 'a')
    again.begin()
    expect(run(again, 'f')).toEqual({ closed: 0 })
    await again.release()
    expect(state).toEqual({ closed: 1 })
  })

  it('of the version before is closed when that is no longer used', async () => {
    const folder = pluginFolder({ 'a.mjs': withClose })
    const modules = new PluginModules(folder)
    const old = await modules.open('a.mjs', 'a')
    old.begin()
    writeFiles(folder, { 'a.mjs': `${withClose}\n` })
    await modules.refresh()
    const next = await modules.open('a.mjs', 'a')
    await old.release()
    expect([run(old, 'f'), run(next, 'f')]).toEqual([{ closed: 1 }, { closed: 0 }])
  })

  it('is not closed where it never served, and is the one that serves later', async () => {
    const modules = new PluginModules(pluginFolder({ 'a.mjs': withClose }))
    const looked = await modules.open('a.mjs', 'a')
    await looked.release()
    const serving = await modules.open('a.mjs', 'a')
    expect(run(serving, 'f')).toBe(run(looked, 'f'))
    expect(run(serving, 'f')).toEqual({ closed: 0 })
  })

  it('has the time for close() that is left', async () => {
    const modules = new PluginModules(pluginFolder({ 'a.mjs': 'export const close = () => new Promise(() => {})' }))
    const use = await modules.open('a.mjs', 'a')
    use.begin()
    expect(await refused(use.release(20))).toMatch(/close\(\) of the plugin file .*a.mjs took more than 20 ms\.$/)
  })

  it('that cannot be closed is told to who released it', async () => {
    const modules = new PluginModules(
      pluginFolder({ 'a.mjs': 'export const close = async () => { throw new Error("busy") }' }),
    )
    const use = await modules.open('a.mjs', 'a')
    use.begin()
    expect(await refused(use.release())).toMatch(
      /^PSTN_PLUGIN_UNLOADABLE close\(\) of the plugin file .*failed: Error: busy$/,
    )
    await use.release()
  })

  it('is kept by Node for good: from the 500th version on that is said', async () => {
    const folder = pluginFolder({ 'a.mjs': 'export const init = () => {}' })
    const warnings: string[] = []
    const modules = new PluginModules(folder, (message) => warnings.push(message))
    const info = api('a')
    for (let i = 0; i < 499; i += 1) await (await modules.open('a.mjs', 'a')).init(info)
    const before = warnings.length
    for (let i = 0; i < 500; i += 1) await (await modules.open('a.mjs', 'a')).init(info)
    expect(before).toBeLessThan(499)
    expect(warnings.at(-1)).toMatch(/have been loaded anew \d+ times\. Node keeps every version/)
  }, 60_000)
})
