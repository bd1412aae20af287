import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { TestProject } from 'vitest/node'
import { bundleTogether } from '../support/bundle.mjs'

declare module 'vitest' {
  export interface ProvidedContext {
    /** A folder with the packages installed as npm would, made of the sources as they are now. */
    installed: string
  }
}

const packages = path.resolve(import.meta.dirname, '../../packages')

/** What each package exports, by the path behind its name. */
const EXPORTS = {
  core: { '.': 'index', './host': 'host', './store': 'store' },
  files: { '.': 'index' },
  http: { '.': 'index' },
  cli: { './main': 'main' },
} as const

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const folder = await mkdtemp(path.join(tmpdir(), 'postern-cli-'))
  const entries = Object.entries(EXPORTS).flatMap(([name, files]) =>
    Object.values(files).map((file) => [`bundled/${name}-${file}`, path.join(packages, name, `src/${file}.ts`)]),
  )
  await bundleTogether(Object.fromEntries(entries) as Record<string, string>, folder)
  // Where the program looks for its version.
  await cp(path.join(packages, 'cli/package.json'), path.join(folder, 'package.json'))
  for (const [name, files] of Object.entries(EXPORTS)) await install(folder, name, files)
  project.provide('installed', folder)
  return () => rm(folder, { recursive: true, force: true })
}

/** One copy of each package, whoever imports it. */
async function install(folder: string, name: string, files: Readonly<Record<string, string>>): Promise<void> {
  const home = path.join(folder, 'node_modules/@postern', name)
  await mkdir(home, { recursive: true })
  const manifest = {
    name: `@postern/${name}`,
    type: 'module',
    exports: Object.fromEntries(Object.entries(files).map(([at, file]) => [at, `./${file}.js`])),
  }
  await writeFile(path.join(home, 'package.json'), JSON.stringify(manifest))
  for (const file of Object.values(files))
    await writeFile(path.join(home, `${file}.js`), `export * from '../../../bundled/${name}-${file}.mjs'\n`)
}
