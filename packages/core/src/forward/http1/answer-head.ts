import { maxHeaderSize } from 'node:http'
import { sameName } from '../../http/headers.ts'
import { ReceivedHead } from '../received-head.ts'
import { invalid, isText, readField } from './fields.ts'

const LONGEST_STATUS_LINE = 8_192
const LONGEST_INTERIM = 65_536
/** As many fields as are shown, and what stands around their names and values. */
const MOST_FIELDS = 2_000
const LONGEST_HEAD = LONGEST_STATUS_LINE + maxHeaderSize + 4 * MOST_FIELDS

const VERSION = 'HTTP/1.'
const STATUS_AT = VERSION.length + 2
const REASON_AT = STATUS_AT + 3
const END = '\r\n\r\n'
const CR = 0x0d
const LF = 0x0a
const ZERO = 0x30
const ONE = 0x31
const SPACE = 0x20

/** The end of a body, by what the head says. */
type Framing = 'chunks' | 'close' | number

export class AnswerHead extends ReceivedHead {
  readonly framing: Framing
  /** Whether the connection may be used again, and for how long: that is up to the upstream. */
  readonly keepAlive: boolean
  readonly keepAliveMs: number | undefined

  constructor(
    status: number,
    lines: readonly string[],
    framing: Framing,
    keepAlive: boolean,
    keepAliveMs: number | undefined,
  ) {
    super(status, lines)
    this.framing = framing
    this.keepAlive = keepAlive
    this.keepAliveMs = keepAliveMs
  }
}

/** Where the empty line of a head begins; -1: not here yet. Throws where no head can come of it. */
export function endOfHead(text: string, interim: boolean): number {
  const end = text.indexOf(END)
  if (end === -1) checkBeginning(text, interim)
  else if (end > (interim ? LONGEST_INTERIM : LONGEST_HEAD)) throw tooLong(interim)
  return end
}

/** Whether it is an interim answer; undefined: too little of it is here. Throws where it is no answer at all. */
export function isInterim(text: string): boolean | undefined {
  const minor = text.charCodeAt(VERSION.length)
  if (!(text.startsWith(VERSION) && (minor === ONE || minor === ZERO) && text.charCodeAt(STATUS_AT - 1) === SPACE)) {
    if (text.length < STATUS_AT && ('HTTP/1.1 '.startsWith(text) || 'HTTP/1.0 '.startsWith(text))) return undefined
    throw invalid('an answer that begins neither with HTTP/1.1 nor with HTTP/1.0')
  }
  for (let at = STATUS_AT; at < REASON_AT && at < text.length; at += 1) {
    const digit = text.charCodeAt(at) - ZERO
    if (digit < 0 || digit > 9) throw invalid('a status that is none')
  }
  if (text.length === STATUS_AT) return undefined
  return text.charCodeAt(STATUS_AT) === ONE
}

/** What cannot become a head is refused at once, whether its end comes or not. */
function checkBeginning(text: string, interim: boolean): void {
  if (text.length > (interim ? LONGEST_INTERIM : LONGEST_HEAD)) throw tooLong(interim)
  const line = text.indexOf('\n')
  if ((line === -1 ? text.length : line) > LONGEST_STATUS_LINE) throw longStatusLine()
  for (let at = text.indexOf('\n'); at !== -1; at = text.indexOf('\n', at + 1))
    if (text.charCodeAt(at - 1) !== CR) throw invalid('a line that ends without CR')
  for (let at = text.indexOf('\r'); at !== -1; at = text.indexOf('\r', at + 1))
    if (at + 1 < text.length && text.charCodeAt(at + 1) !== LF) throw invalid('a CR that ends no line')
  if (text.includes('\0')) throw invalid('NUL in a head')
}

/** An interim answer is dropped, and may hold whatever it likes, but its lines end as those of others. */
export function checkInterim(text: string, end: number): void {
  const status = text.slice(STATUS_AT, REASON_AT)
  if (status === '101') throw invalid('101, and nobody had asked for it')
  const behind = text.charCodeAt(REASON_AT)
  if (behind !== SPACE && behind !== CR) throw invalid('a status that is none')
  checkBeginning(text.slice(0, end), true)
}

/**
 * The head that ends at `end`, an empty line. Throws `PSTN_UPSTREAM_INVALID` for what is no HTTP, and for what two readers
 * could find two ends in: two framings, two lengths, a coding other than `chunked`.
 */
export function readHead(text: string, end: number): AnswerHead {
  let at = text.indexOf('\r\n')
  if (at > LONGEST_STATUS_LINE) throw longStatusLine()
  const status = readStatus(text, at)
  const lines: string[] = []
  let bytes = 0
  while (at < end) {
    const from = at + 2
    at = text.indexOf('\r', from)
    if (text.charCodeAt(at + 1) !== LF) throw invalid('a CR that ends no line')
    readField(text, from, at, lines)
    bytes += lines[lines.length - 2]!.length + lines[lines.length - 1]!.length
  }
  if (bytes >= maxHeaderSize) throw tooLong(false)
  return framed(status, lines, text.charCodeAt(VERSION.length) === ONE)
}

function readStatus(text: string, end: number): number {
  if (end > REASON_AT && text.charCodeAt(REASON_AT) !== SPACE) throw invalid('a status that is none')
  if (end < REASON_AT) throw invalid('a status that is none')
  for (let at = REASON_AT; at < end; at += 1)
    if (!isText(text.charCodeAt(at))) throw invalid('a status line no message can have')
  return (
    (text.charCodeAt(STATUS_AT) - ZERO) * 100 +
    (text.charCodeAt(STATUS_AT + 1) - ZERO) * 10 +
    (text.charCodeAt(STATUS_AT + 2) - ZERO)
  )
}

function framed(status: number, lines: readonly string[], isNew: boolean): AnswerHead {
  let framing: Framing = 'close'
  let keepAlive = isNew
  let keepAliveMs: number | undefined
  for (let i = 0; i < lines.length; i += 2) {
    const name = lines[i]!
    // Most fields are of another length than those that matter here.
    switch (name.length) {
      case 14:
        if (sameName(name, 'content-length')) {
          if (framing !== 'close') throw twice()
          framing = readLength(lines[i + 1]!)
        }
        break
      case 17:
        if (sameName(name, 'transfer-encoding')) {
          if (framing !== 'close') throw twice()
          if (lines[i + 1]!.toLowerCase() !== 'chunked') throw invalid('a transfer coding other than chunked')
          framing = 'chunks'
        }
        break
      case 10:
        if (sameName(name, 'connection')) keepAlive &&= lines[i + 1] === 'keep-alive' || !CLOSES.test(lines[i + 1]!)
        else if (sameName(name, 'keep-alive')) keepAliveMs = readTimeout(lines[i + 1]!) ?? keepAliveMs
        break
      default:
    }
  }
  // Who frames a body behind a status that has none may send it after all, when the next request waits for its answer.
  if ((status === 204 || status === 304) && framing !== 'close' && framing !== 0) keepAlive = false
  return new AnswerHead(status, lines, framing, keepAlive, keepAliveMs)
}

const CLOSES = /(?:^|,)[ \t"]*close[ \t"]*(?:,|$)/i

function readLength(value: string): number {
  if (!/^\d{1,15}$/.test(value)) throw invalid('a Content-Length that is none')
  return Number(value)
}

function readTimeout(value: string): number | undefined {
  const seconds = /timeout=(\d{1,9})/.exec(value)?.[1]
  return seconds === undefined ? undefined : Number(seconds) * 1_000
}

const twice = (): Error => invalid('two framings of one body')
const longStatusLine = (): Error => invalid(`a status line of more than ${LONGEST_STATUS_LINE} bytes`)
const tooLong = (interim: boolean): Error =>
  invalid(interim ? `an interim answer of more than ${LONGEST_INTERIM} bytes` : 'a head that is too long')
