import { styleText } from 'node:util'
import type { Warnings } from './warnings.ts'

type Format = Parameters<typeof styleText>[0]

/** One of the two streams a command writes to, and what may be written there. */
export class Channel {
  readonly #stream: NodeJS.WriteStream
  readonly #write: NodeJS.WriteStream['write']
  /** For people who look at it now: excerpts, colour, progress. */
  readonly terminal: boolean
  readonly #colour: boolean

  constructor(stream: NodeJS.WriteStream, env: NodeJS.ProcessEnv) {
    this.#stream = stream
    this.#write = stream.write.bind(stream)
    const forced = env['FORCE_COLOR'] !== undefined && env['FORCE_COLOR'] !== '' && env['FORCE_COLOR'] !== '0'
    const refused = (env['NO_COLOR'] ?? '') !== '' || env['FORCE_COLOR'] === '0'
    this.terminal = forced || (stream.isTTY && env['TERM'] !== 'dumb')
    this.#colour = this.terminal && !refused
  }

  /** Whether somebody sits in front of it: what was written may be written over. */
  get interactive(): boolean {
    return this.terminal && this.#stream.isTTY
  }

  line(text = ''): void {
    this.#write(`${text}\n`)
  }

  /** Without a new line. */
  write(text: string): void {
    this.#write(text)
  }

  json(value: unknown, indent?: number): void {
    this.line(JSON.stringify(value, undefined, indent))
  }

  /** From now on only what this channel writes is written there; what plugins print goes to the other stream. */
  reserve(other: NodeJS.WriteStream): void {
    this.#stream.write = other.write.bind(other)
  }

  /** The text in a colour, where there is colour. */
  paint(format: Format, text: string): string {
    return this.#colour && text !== '' ? styleText(format, text, { validateStream: false }) : text
  }

  /** Resolves when everything is out. */
  flushed(): Promise<void> {
    return new Promise((resolve) => this.#write('', () => resolve()))
  }
}

/** Where a command says what it has to say: results on `out`, what is said beside them on `err`. */
export interface Output {
  readonly out: Channel
  readonly err: Channel
  readonly warnings: Warnings
}

/** Texts of definitions, errors and requests: a terminal would obey the control characters in them. */
export function printable(text: string): string {
  return text.replaceAll(CONTROL, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

/** What was said by somebody else, in a log or behind an error: no line of it can pretend to be one of ours. */
export function onOneLine(text: string): string {
  return printable(text).replaceAll(/[\n\t]/g, (character) => (character === '\n' ? '\\n' : '\\t'))
}

// Line ends and tabs stay.
// oxlint-disable-next-line no-control-regex -- they are what is looked for
const CONTROL = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g
