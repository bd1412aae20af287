import { existsSync, readdirSync, readFileSync, realpathSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { attack } from './attack.ts'
import { process as group } from './catalogue/l.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))

interface Manifest {
  readonly name: string
  readonly version: string
  readonly license?: string
  readonly dependencies?: Readonly<Record<string, string>>
  readonly optionalDependencies?: Readonly<Record<string, string>>
  readonly scripts?: Readonly<Record<string, string>>
}

interface Installed {
  readonly manifest: Manifest
  readonly folder: string
}

/** What runs beside the packages: its licence, and why it is there. Sub-dependencies say whose they are. */
const ALLOWED: Readonly<Record<string, readonly [licence: string, reason: string]>> = {
  '@xmldom/xmldom': ['MIT', 'reads XML bodies for XPath id extractors'],
  debug: ['MIT', 'logs that are off until asked for'],
  'http-proxy-3': ['MIT', 'WebSocket upgrades'],
  'path-to-regexp': ['MIT', 'the syntax of endpoint paths'],
  re2js: ['MIT', 'regular expressions in linear time'],
  undici: ['MIT', 'HTTP to upstreams'],
  xpath: ['MIT', 'XPath id extractors'],
  zod: ['MIT', 'the shape of definitions'],
  ioredis: ['MIT', 'the Redis client; @postern/redis only'],
  yaml: ['ISC', 'YAML with places, for definitions in files; @postern/files only'],
}

function installed(name: string, from: string): Installed {
  for (let folder = from; ; folder = path.dirname(folder)) {
    const found = path.join(folder, 'node_modules', name, 'package.json')
    if (existsSync(found)) {
      const real = realpathSync(found)
      return { manifest: JSON.parse(readFileSync(real, 'utf8')) as Manifest, folder: path.dirname(real) }
    }
    if (folder === path.dirname(folder)) throw new Error(`${name} is not installed for ${from}`)
  }
}

const packages = readdirSync(path.join(root, 'packages')).map((name): Installed => {
  const folder = path.join(root, 'packages', name)
  return { manifest: JSON.parse(readFileSync(path.join(folder, 'package.json'), 'utf8')) as Manifest, folder }
})

/** Everything that comes with a package, however deep. */
function closure(start: readonly Installed[]): Installed[] {
  const all = new Map<string, Installed>()
  const visit = ({ manifest, folder }: Installed): void => {
    for (const name of Object.keys(manifest.dependencies ?? {})) {
      if (name.startsWith('@postern/')) continue
      const found = installed(name, folder)
      if (all.has(found.folder)) continue
      all.set(found.folder, found)
      visit(found)
    }
  }
  for (const one of start) visit(one)
  return [...all.values()]
}

const INSTALL_SCRIPTS = ['preinstall', 'install', 'postinstall', 'prepare']

attack(group, 'L11', () => {
  it('knows every dependency, its licence and its reason', () => {
    const direct = packages.flatMap(({ manifest, folder }) =>
      Object.keys(manifest.dependencies ?? {})
        .filter((name) => !name.startsWith('@postern/'))
        .map((name) => installed(name, folder).manifest),
    )
    expect(Object.fromEntries(direct.map(({ name, license }) => [name, license]))).toEqual(
      Object.fromEntries(Object.entries(ALLOWED).map(([name, [licence]]) => [name, licence])),
    )
  })

  it('has nothing below them that is not free, and no more of it than is known', () => {
    const below = closure(packages)
    const licences = new Set(below.map(({ manifest }) => manifest.license))
    expect([...licences].filter((licence) => !/^(?:MIT|ISC|BSD-[23]-Clause|Apache-2\.0)$/.test(licence ?? ''))).toEqual(
      [],
    )
    expect(below.map(({ manifest }) => manifest.name).toSorted()).toMatchInlineSnapshot(`
      [
        "@ioredis/commands",
        "@xmldom/xmldom",
        "cluster-key-slot",
        "debug",
        "denque",
        "follow-redirects",
        "http-proxy-3",
        "ioredis",
        "ms",
        "path-to-regexp",
        "re2js",
        "redis-errors",
        "standard-as-callback",
        "undici",
        "xpath",
        "yaml",
        "zod",
      ]
    `)
  })

  it('tells of all that comes with the packages in SECURITY.md', () => {
    const [, table = ''] = readFileSync(path.join(root, 'SECURITY.md'), 'utf8').split('\n## Dependencies\n')
    const told = [...table.matchAll(/^\| ((?:`[^`]+`(?:, )?)+)/gm)].flatMap(([, names = '']) =>
      [...names.matchAll(/`([^`]+)`/g)].map(([, name = '']) => name),
    )
    expect(told.toSorted()).toEqual(
      closure(packages)
        .map(({ manifest }) => manifest.name)
        .toSorted(),
    )
  })

  it('runs no script when it is installed', () => {
    const scripts = closure(packages).filter(
      ({ manifest, folder }) =>
        INSTALL_SCRIPTS.slice(0, 3).some((script) => manifest.scripts?.[script] !== undefined) ||
        existsSync(path.join(folder, 'binding.gyp')),
    )
    expect(scripts).toEqual([])
    const own = packages.flatMap(({ manifest }) =>
      INSTALL_SCRIPTS.filter((script) => manifest.scripts?.[script] !== undefined),
    )
    expect(own).toEqual([])
  })

  it('has a hash for every version in the lockfile, and gets them all from a registry', () => {
    const lockfile = readFileSync(path.join(root, 'pnpm-lock.yaml'), 'utf8')
    const entries = [...lockfile.matchAll(/^ {4}resolution: (.*)$/gm)].map(([, resolution]) => resolution)
    expect(entries.length).toBeGreaterThan(100)
    expect(entries.filter((entry) => entry?.startsWith('{integrity: sha512-') !== true)).toEqual([])
  })
})
