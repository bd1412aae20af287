import { readdir, realpath, stat } from 'node:fs/promises'
import path from 'node:path'
import { isPluginSource } from '@postern/core/host'
import { namesDefinition } from './read-definitions.ts'

/** What there is to watch, as it is now. */
export interface Look {
  /** Whose events may mean a change. */
  readonly directories: ReadonlySet<string>
  /** Differs whenever one of the files does. */
  readonly state: string
  /** The definition files that are there. */
  readonly definitions: ReadonlySet<string>
}

/** Looks at definition files, at those of directories, and at the modules in and below the directory of plugins. */
export async function look(files: readonly string[], plugins: string | undefined): Promise<Look> {
  const looking = new Looking()
  for (const file of files) await looking.at(path.resolve(file))
  if (plugins !== undefined) await looking.below(path.resolve(plugins))
  const { directories, marks, definitions } = looking
  return { directories, state: marks.toSorted().join('\n'), definitions }
}

class Looking {
  readonly directories = new Set<string>()
  readonly marks: string[] = []
  readonly definitions = new Set<string>()
  readonly #visited = new Set<string>()

  async at(given: string): Promise<void> {
    if (!(await isDirectory(given))) return this.#definition(given)
    await this.#enter(given)
    for (const name of await namesIn(given)) if (namesDefinition(name)) await this.#definition(path.join(given, name))
  }

  async below(directory: string): Promise<void> {
    if (!(await isDirectory(directory))) return void (await this.#file(directory))
    if (!(await this.#enter(directory))) return
    for (const name of await namesIn(directory)) {
      if (name.startsWith('.') || name === 'node_modules') continue
      const inner = path.join(directory, name)
      if (isPluginSource(name)) await this.#file(inner)
      else if (await isDirectory(inner)) await this.below(inner)
    }
  }

  /** False where it has been before: a link leads back up. */
  async #enter(directory: string): Promise<boolean> {
    const real = await realpath(directory).catch(() => directory)
    this.directories.add(directory)
    // A link on the way may be pointed elsewhere, which is an event of the directory it is in.
    if (real !== directory) this.directories.add(path.dirname(directory))
    const isNew = !this.#visited.has(real)
    this.#visited.add(real)
    return isNew
  }

  async #definition(file: string): Promise<void> {
    if (await this.#file(file)) this.definitions.add(file)
  }

  /** Whether it is there. */
  async #file(file: string): Promise<boolean> {
    let isThere = true
    try {
      const { ino, size, mtimeMs, ctimeMs } = await stat(file)
      this.marks.push([file, ino, size, mtimeMs, ctimeMs].join(' '))
      // A file that is written to behind a link is an event of the directory it is really in.
      this.directories.add(path.dirname(await realpath(file)))
    } catch (error) {
      isThere = false
      this.marks.push(`${file} ${String((error as NodeJS.ErrnoException).code)}`)
    }
    this.directories.add(await nearestDirectory(path.dirname(file)))
    return isThere
  }
}

async function namesIn(directory: string): Promise<string[]> {
  return readdir(directory).catch(() => [])
}

async function isDirectory(file: string): Promise<boolean> {
  return stat(file).then(
    (status) => status.isDirectory(),
    () => false,
  )
}

/** Where something appears first when this one comes back. */
async function nearestDirectory(directory: string): Promise<string> {
  const above = path.dirname(directory)
  return above === directory || (await isDirectory(directory)) ? directory : nearestDirectory(above)
}
