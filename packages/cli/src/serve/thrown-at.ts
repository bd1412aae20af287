import path from 'node:path'
import { fileURLToPath } from 'node:url'

/** The first line of a stack that is below the directory of plugins: where its author looks first. */
export function thrownAt(thrown: unknown, directory: string | URL | undefined): { readonly at?: string } {
  if (!(thrown instanceof Error) || typeof thrown.stack !== 'string' || directory === undefined) return {}
  const root =
    typeof directory === 'string' && !directory.startsWith('file:') ? path.resolve(directory) : fileURLToPath(directory)
  for (const frame of thrown.stack.split('\n')) {
    const [, name, line] = /((?:file:\/\/)?\/[^()]+?)(?:\?[^():]*)?:(\d+):\d+\)?$/.exec(frame) ?? []
    if (name === undefined || line === undefined) continue
    const file = name.startsWith('file:') ? fileURLToPath(name) : name
    const below = path.relative(root, file)
    if (below !== '' && !below.startsWith('..') && !path.isAbsolute(below))
      return { at: `${path.join(path.basename(root), below)}:${line}` }
  }
  return {}
}
