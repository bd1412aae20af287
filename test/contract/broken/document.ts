import path from 'node:path'
import type { Problem } from '@postern/core'

/** A broken set of definition files, and all there is to say about it. */
export interface Broken {
  /** What is wrong, as the rest of "refuses ...". */
  readonly what: string
  /** Texts by file name; `①` and its like mark the places of the report and are no part of the text. */
  readonly files: Readonly<Record<string, string | Uint8Array>>
  /** Manifests of bundles by their name. */
  readonly bundles?: Readonly<Record<string, object>>
  /** Nobody hands in functions, and there is no directory for plugins. */
  readonly nothingGiven?: true
  /** Where: a mark, or the name of a file where no line is meant; the path in the document; the message. */
  readonly report: readonly Line[]
  /** By default `PSTN_DEFINITION_INVALID`: what the definitions say is wrong. Else: they are right, their plugins are not. */
  readonly code?: 'PSTN_PLUGIN_NOT_FOUND' | 'PSTN_PLUGIN_UNLOADABLE'
}

type Line = readonly [where: string, path: string, message: string]

/** A text without its marks. */
interface Unmarked {
  readonly text: string
  /** Lines and columns, from 1, by mark. */
  readonly marks: ReadonlyMap<string, { readonly line: number; readonly column: number }>
}

const MARK = /[①-⑳]/g

/** Takes the indentation of a template off, and the marks out. */
function unmarked(written: string): Unmarked {
  const marks = new Map<string, { line: number; column: number }>()
  const lines = outdented(written).split('\n')
  const text = lines.map((line, i) => {
    for (let found = line.search(MARK); found !== -1; found = line.search(MARK)) {
      const mark = line[found]!
      if (marks.has(mark)) throw new Error(`The mark ${mark} stands there twice.`)
      marks.set(mark, { line: i + 1, column: found + 1 })
      line = line.slice(0, found) + line.slice(found + 1)
    }
    return line
  })
  return { text: text.join('\n'), marks }
}

/** Only what begins with a line of its own is indented like the table it stands in. */
function outdented(written: string): string {
  if (!written.startsWith('\n')) return written
  const lines = written.slice(1).replace(/\n *$/, '\n').split('\n')
  const depth = Math.min(...lines.filter((line) => line !== '').map((line) => line.search(/[^ ]|$/)))
  return lines.map((line) => line.slice(depth)).join('\n')
}

/** The files of a set, as they are written, and its report, as it is to be given. */
interface Prepared {
  readonly files: Readonly<Record<string, string | Uint8Array>>
  readonly problems: readonly Problem[]
}

/** `folder`: where the files will be. */
export function prepared({ files, report }: Broken, folder: string): Prepared {
  const places = new Map<string, Omit<Problem, 'path' | 'message'>>()
  const written = Object.entries(files).map(([name, content]) => {
    const file = path.join(folder, 'apis', name)
    places.set(name, { file })
    if (typeof content !== 'string') return [name, content] as const
    const { text, marks } = unmarked(content)
    for (const [mark, at] of marks) places.set(mark, { file, ...at })
    return [name, text] as const
  })
  const problems = report.map(([where, at, message]): Problem => {
    const place = places.get(where)
    if (place === undefined) throw new Error(`Nothing is marked ${where}.`)
    const said = message
      .replaceAll('<apis>', path.join(folder, 'apis'))
      .replaceAll('<plugins>', path.join(folder, 'plugins'))
      .replaceAll('<folder>', folder)
    return { ...place, path: at, message: said }
  })
  return { files: Object.fromEntries(written), problems }
}
