import type { Hook } from '@postern/core'
import type { Call, Change, Seen } from './recorder.ts'
import type { Hit } from './upstreams.ts'

export interface Style {
  readonly colour: boolean
  /** Columns of the terminal. */
  readonly width: number
  /** Names by which people know the upstreams' URLs. */
  readonly names: ReadonlyMap<string, string>
}

const STAGES = ['pre', 'auth', 'postAuth', 'endpoint', 'post', 'upstream', 'response', 'analytics', 'client'] as const
type Stage = (typeof STAGES)[number]

// Codes of ANSI's palette, which every terminal theme makes legible; 39 is its own text colour.
const COLOURS: Readonly<Record<Stage, number>> = {
  pre: 36,
  auth: 33,
  postAuth: 33,
  endpoint: 35,
  post: 36,
  upstream: 39,
  response: 32,
  analytics: 34,
  client: 2,
}
const BOLD = 1
const DIM = 2
const RED = 31
const GREEN = 32
const YELLOW = 33

/** Text apart from the code that colours it, so that its width is known. */
interface Piece {
  readonly text: string
  readonly colour?: number
}

interface Row {
  readonly stage: Stage
  readonly name: Piece
  readonly start: number
  readonly end: number
  readonly notes: readonly Piece[]
}

/** One request as a waterfall: a bar for each plugin and each upstream, and beside it what that did. */
export function waterfall(seen: Seen, body: string, whyNoEndpoint: string, style: Style): string {
  const { calls, hits, record } = seen
  const rows = [...calls.map((call) => rowOfCall(call, style)), ...hits.map(rowOfHit)]
  const from = Math.min(...rows.map(({ start }) => start))
  rows.sort((a, b) => a.start - b.start)
  rows.push({
    stage: 'client',
    name: { text: `gets ${record.responseCode}`, colour: statusColour(record.responseCode) },
    start: from,
    end: from + record.latency.totalMs,
    notes: [{ text: body, colour: DIM }],
  })
  const cells = style.width < 100 ? 14 : 26
  const scale = cells / Math.max(...rows.map(({ end }) => end - from))
  const nameWidth = Math.max(13, ...rows.map(({ name }) => name.text.length))
  const lines = rows.flatMap(({ stage, name, start, end, notes }) => {
    const colour = COLOURS[stage]
    const columns: Piece[] = [
      { text: stage.padEnd(9), colour },
      { ...name, text: name.text.padEnd(nameWidth) },
      { text: bar((start - from) * scale, (end - from) * scale, cells), colour },
      { text: milliseconds(end - start).padStart(8), colour: DIM },
    ]
    const indent = columns.reduce((sum, { text }) => sum + text.length + 2, 2)
    const head = `  ${columns.map((column) => paint(column, style)).join('  ')}  `
    return wrap(notes, style.width - indent).map((line, i) => {
      const text = line.map((piece) => paint(piece, style)).join('  ')
      return (i === 0 ? head : ' '.repeat(indent)) + text
    })
  })
  const missing = notRun(seen, whyNoEndpoint)
  if (missing !== '') lines.splice(-1, 0, `  ${paint({ text: `not run    ${missing}`, colour: DIM }, style)}`)
  return lines.join('\n')
}

export function headline(request: string, title: string, style: Style): string {
  return `${paint({ text: request, colour: BOLD }, style)}  ${title}`.trimEnd()
}

function paint({ text, colour }: Piece, style: Style): string {
  return style.colour && colour !== undefined && colour !== 39 ? `\u001B[${colour}m${text}\u001B[0m` : text
}

/** The stages that had no part in a request, in their order. */
function notRun({ calls, hits }: Seen, whyNoEndpoint: string): string {
  const ran = new Set<Stage>(calls.map(({ hook }) => hook))
  ran.add('client')
  if (hits.length > 0) ran.add('upstream')
  return STAGES.filter((stage) => !ran.has(stage))
    .map((stage) => (stage === 'endpoint' && ran.has('post') ? `endpoint (${whyNoEndpoint})` : stage))
    .join(', ')
}

function rowOfCall({ hook, plugin, start, end, changes, decision }: Call, { names }: Style): Row {
  const notes = changes.map((change) => note(change, names))
  if (decision !== undefined) notes.unshift({ text: decision, colour: decision.startsWith('denies') ? RED : BOLD })
  if (notes.length === 0) notes.push({ text: NOTHING[hook] ?? 'lets it pass', colour: DIM })
  return { stage: hook, name: { text: plugin }, start, end, notes }
}

const NOTHING: Partial<Record<Hook, string>> = { response: 'changes nothing', analytics: 'keeps the record' }

function rowOfHit({ name, line, start, end }: Hit): Row {
  return { stage: 'upstream', name: { text: name }, start, end, notes: [{ text: `meets ${line}` }] }
}

function note({ name, before, after }: Change, names: Style['names']): Piece {
  const short = (value: string): string => {
    const text = names.get(value) ?? value
    return text.length > 20 ? `${text.slice(0, 12)}...` : text
  }
  if (before === undefined) return { text: `+ ${name}: ${short(after ?? '')}`, colour: GREEN }
  if (after === undefined) return { text: `- ${name}`, colour: RED }
  return { text: `~ ${name}: ${short(before)} > ${short(after)}`, colour: YELLOW }
}

/** In half cells, so that short calls stay visible and long ones comparable. */
function bar(from: number, to: number, cells: number): string {
  const first = Math.min(Math.round(from * 2), cells * 2 - 1)
  const last = Math.max(Math.round(to * 2), first + 1)
  let text = ''
  for (let cell = 0; cell < cells; cell += 1) {
    const left = first <= cell * 2 && cell * 2 < last
    const right = first <= cell * 2 + 1 && cell * 2 + 1 < last
    text += left && right ? '━' : left ? '╸' : right ? '╺' : ' '
  }
  return text
}

function statusColour(status: number): number {
  return status < 300 ? GREEN : status < 500 ? YELLOW : RED
}

function milliseconds(value: number): string {
  return `${value.toFixed(value < 10 ? 2 : 1)} ms`
}

/** Notes in lines of at most `width`; one that is wider by itself is cut. */
function wrap(notes: readonly Piece[], width: number): Piece[][] {
  const lines: Piece[][] = [[]]
  let left = width
  for (const { text, ...rest } of notes) {
    const cut = text.length > width ? `${text.slice(0, width - 3)}...` : text
    if (cut.length > left && left < width) {
      lines.push([])
      left = width
    }
    lines.at(-1)!.push({ text: cut, ...rest })
    left -= cut.length + 2
  }
  return lines
}
