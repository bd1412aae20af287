import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { cpus, release } from 'node:os'
import type { Machine } from './report/results.ts'

export function machine(): Machine {
  const all = cpus()
  return {
    cpu: all[0]?.model.trim() ?? 'unknown',
    cores: all.length,
    kernel: `${process.platform} ${release()}`,
    node: process.versions.node,
  }
}

/** Of packages, as they are installed for the benches. */
export function versions(names: readonly string[]): Record<string, string> {
  const { resolve } = createRequire(import.meta.url)
  return Object.fromEntries(
    names.map((name) => {
      const folders = resolve.paths(name) ?? []
      for (const folder of folders) {
        const version = versionIn(`${folder}/${name}/package.json`)
        if (version !== undefined) return [name, version]
      }
      return [name, 'unknown']
    }),
  )
}

function versionIn(file: string): string | undefined {
  try {
    return (JSON.parse(readFileSync(file, 'utf8')) as { version?: string }).version
  } catch {
    return undefined
  }
}
