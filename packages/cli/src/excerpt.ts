import { readFileSync } from 'node:fs'
import type { Channel } from './output.ts'
import { printable } from './output.ts'

/** Lines of a file around a place, as terminals show them. */
export class Excerpts {
  readonly #texts = new Map<string, readonly string[]>()
  readonly #channel: Channel

  constructor(channel: Channel) {
    this.#channel = channel
  }

  /** The line with a caret under the column, and the lines before it; empty where the file says nothing. */
  of(file: string, line: number, column: number): string[] {
    const lines = this.#linesOf(file)
    const found = lines[line - 1]
    if (found === undefined) return []
    const first = Math.max(0, line - 1 - LINES_BEFORE)
    const width = String(line).length
    const paint = (text: string): string => this.#channel.paint('dim', text)
    const shown = lines
      .slice(first, line)
      .map((text, i) => `${paint(`${String(first + i + 1).padStart(width)} |`)} ${cut(text)}`)
    // A tab before the caret is as wide as the one above it.
    const indent = found.slice(0, column - 1).replaceAll(/[^\t]/g, ' ')
    if (indent.length > MOST_COLUMNS) return shown
    return [...shown, `${paint(`${' '.repeat(width)} |`)} ${indent}${this.#channel.paint('red', '^')}`]
  }

  #linesOf(file: string): readonly string[] {
    const known = this.#texts.get(file)
    if (known !== undefined) return known
    let lines: readonly string[] = []
    try {
      lines = readFileSync(file, 'utf8')
        .replace(/^\uFEFF/, '')
        .split(/\r?\n/)
    } catch {
      // Gone in the meantime, or no file at all: the place is told all the same.
    }
    this.#texts.set(file, lines)
    return lines
  }
}

const LINES_BEFORE = 2
const MOST_COLUMNS = 160

function cut(line: string): string {
  return printable(line.length > MOST_COLUMNS ? `${line.slice(0, MOST_COLUMNS)}...` : line)
}
