import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'

/*
 * The ladder of the core, from the bottom up. A file imports from its own rung and from rungs below, `import type`
 * included. A name ending in a slash is a folder.
 */
const LADDER: readonly (readonly string[])[] = [
  [
    'errors.ts',
    'fields.ts',
    'functions.ts',
    'json-schema.ts',
    'leaves-directory.ts',
    'listing.ts',
    'longest-timer.ts',
    'nearest.ts',
    'option-names.ts',
    'source.ts',
    'within-time.ts',
  ],
  ['http/', 'limits/', 'session/', 'analytics/'],
  ['hooks.ts', 'api.ts', 'api-input.ts', 'definition-input.ts'],
  ['plugins/'],
  ['definition/'],
  ['forward/'],
  ['chain/'],
  ['loading/'],
  ['options.ts', 'intake.ts', 'accepted-request.ts', 'kept-request.ts', 'host-call.ts', 'sessions.ts', 'store-use.ts'],
  ['gateway.ts', 'check.ts', 'create-context.ts'],
  ['metrics/'],
  ['index.ts', 'host.ts', 'metrics.ts', 'store.ts'],
]

/** What each package may know of its siblings. */
const PACKAGES: Readonly<Record<string, readonly string[]>> = {
  '@postern/core': [],
  '@postern/http': ['@postern/core'],
  '@postern/files': ['@postern/core'],
  '@postern/cli': ['@postern/core', '@postern/http', '@postern/files'],
  '@postern/express': ['@postern/core', '@postern/http'],
  '@postern/koa': ['@postern/core', '@postern/http'],
  '@postern/redis': ['@postern/core'],
  '@postern/inspector': ['@postern/core'],
  '@postern/opentelemetry': ['@postern/core'],
}

const packagesFolder = fileURLToPath(new URL('../../packages/', import.meta.url))
const coreFolder = join(packagesFolder, 'core/src')

function sourcesOf(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /\.[cm]?tsx?$/.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name))
}

/** What a source imports, re-exports, loads later or names in a type. */
function importsOf(source: string): string[] {
  const code = source.replaceAll(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, '')
  const pattern =
    /(?:^|[\s;}])(?:import|export)\s[^'"`;]*?\bfrom\s*['"]([^'"]+)['"]|(?:^|[\s;}])import\s*['"]([^'"]+)['"]|\b(?:import|require)\s*\(\s*['"]([^'"]+)['"]/g
  return [...code.matchAll(pattern)].map(([, from, bare, dynamic]) => from ?? bare ?? dynamic ?? '')
}

/** -1 for a file on no rung. */
function rungOf(file: string): number {
  return LADDER.findIndex((rung) => rung.some((name) => (name.endsWith('/') ? file.startsWith(name) : file === name)))
}

const coreFiles = sourcesOf(coreFolder).map((path) => relative(coreFolder, path).replaceAll('\\', '/'))

describe('the ladder of the core', () => {
  it('has a rung for every file', () => {
    expect(coreFiles.filter((file) => rungOf(file) === -1)).toEqual([])
  })

  it('has a file for every rung', () => {
    const names = LADDER.flat().filter((name) => !coreFiles.some((file) => file === name || file.startsWith(name)))
    expect(names).toEqual([])
  })

  it.each(coreFiles)('lets %s import from its own rung and below only', (file) => {
    const upwards = importsOf(readFileSync(join(coreFolder, file), 'utf8'))
      .filter((target) => target.startsWith('.'))
      .map((target) => join(dirname(file), target).replaceAll('\\', '/'))
      .filter((target) => rungOf(target) === -1 || rungOf(target) > rungOf(file))
    expect(upwards).toEqual([])
  })
})

interface Manifest {
  readonly name: string
  readonly dependencies?: Readonly<Record<string, string>>
  readonly peerDependencies?: Readonly<Record<string, string>>
}

const manifests = readdirSync(packagesFolder).map((folder) => ({
  folder: join(packagesFolder, folder),
  manifest: JSON.parse(readFileSync(join(packagesFolder, folder, 'package.json'), 'utf8')) as Manifest,
}))

describe('the ladder of the packages', () => {
  it('has a rung for every package', () => {
    expect(new Set(manifests.map(({ manifest }) => manifest.name))).toEqual(new Set(Object.keys(PACKAGES)))
  })

  it.each(manifests.map(({ manifest, folder }) => [manifest.name, manifest, folder] as const))(
    'lets %s know the packages below only',
    (name, { dependencies, peerDependencies }, folder) => {
      const siblings = (names: readonly string[]): string[] => [
        ...new Set(
          names.filter((other) => other.startsWith('@postern/')).map((other) => other.split('/', 2).join('/')),
        ),
      ]
      const declared = siblings(Object.keys({ ...dependencies, ...peerDependencies }))
      const imported = siblings(sourcesOf(join(folder, 'src')).flatMap((path) => importsOf(readFileSync(path, 'utf8'))))
      expect(declared.filter((other) => !PACKAGES[name]?.includes(other))).toEqual([])
      expect(imported.filter((other) => !declared.includes(other))).toEqual([])
    },
  )

  it.each(manifests.map(({ manifest, folder }) => [manifest.name, folder] as const))(
    'lets no file of %s reach into another package by path',
    (_, folder) => {
      const source = join(folder, 'src')
      const outside = sourcesOf(source).flatMap((path) =>
        importsOf(readFileSync(path, 'utf8'))
          .filter((target) => target.startsWith('.'))
          .filter((target) => relative(source, join(dirname(path), target)).startsWith('..')),
      )
      expect(outside).toEqual([])
    },
  )
})

describe('the reading of imports', () => {
  it('sees every way to import', () => {
    const source = [
      "import { a } from './a.ts'",
      "import type { b } from './b.ts'",
      "import './c.ts'",
      "export { d } from './d.ts'",
      "export type * from './e.ts'",
      'import {\n  f,\n  type g,\n} from "./f.ts"',
      "const h = await import('./h.ts')",
      "type I = import('./i.ts').I",
      "import j, { k } from './j.ts'",
      "// import { z } from './comment.ts'",
      " * import { z } from './comment.ts'".replace(' *', '/**') + ' */',
      "export const text = 'from here'",
    ].join('\n')
    expect(importsOf(source)).toEqual('abcdefhij'.split('').map((name) => `./${name}.ts`))
  })

  it('puts a file of an unknown folder on no rung', () => {
    expect([rungOf('util/x.ts'), rungOf('helpers.ts'), rungOf('errors.ts')]).toEqual([-1, -1, 0])
  })
})
