import { readChunks } from './read-requests.ts'

/** An answer as it was on the wire. */
export interface ReadAnswer {
  readonly status: number
  readonly body: string
  /** It says that the connection ends behind it. */
  readonly closes: boolean
}

export interface ReadAnswers {
  /** Whole ones, without those that only announce another. */
  readonly answers: readonly ReadAnswer[]
  /** `beginning`: one more has begun. */
  readonly rest: 'nothing' | 'beginning' | 'bad'
  /** What is wrong with the first that is no answer. */
  readonly problem: string
}

const STATUS_LINE = /^HTTP\/1\.1 (\d{3}) [\t\u0020-\u007E\u0080-\u00FF]*$/
const FIELD = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*([\t\u0020-\u007E\u0080-\u00FF]*?)[ \t]*$/

/**
 * Answers by the letter of RFC 9112. `methods` are those of the requests, in order; where the list ends nobody knows
 * what was asked, and the answer may do without its body. `over`: no more will come.
 */
export function readAnswers(text: string, methods: readonly string[], over: boolean): ReadAnswers {
  const answers: ReadAnswer[] = []
  let at = 0
  const bad = (problem: string): ReadAnswers => ({ answers, rest: 'bad', problem })
  for (;;) {
    if (at === text.length) return { answers, rest: 'nothing', problem: '' }
    const headEnd = text.indexOf('\r\n\r\n', at)
    if (headEnd === -1) return { answers, rest: 'beginning', problem: '' }
    const [first = '', ...lines] = text.slice(at, headEnd).split('\r\n')
    const status = Number(STATUS_LINE.exec(first)?.[1])
    const fields = lines.map((line) => FIELD.exec(line))
    if (Number.isNaN(status)) return bad(`status line ${JSON.stringify(first)}`)
    if (fields.includes(null)) return bad(`fields ${JSON.stringify(lines)}`)
    const all = (wanted: string): string[] =>
      fields.filter((field) => field![1]!.toLowerCase() === wanted).map((field) => field![2]!)
    const start = headEnd + 4
    if (status < 200) {
      at = start
      continue
    }
    const [lengths, codings] = [all('content-length'), all('transfer-encoding')]
    const closes = all('connection').some((value) => /\bclose\b/i.test(value))
    if (lengths.length + codings.length > 1) return bad(`two framings ${JSON.stringify(lines)}`)
    const method = methods[answers.length]
    // A head that is no HTTP is answered with a body, whatever its first letters spell: nothing comes behind it.
    const refusal = closes && over && text.length === start + Number(lengths[0] ?? '0')
    const bare = (method === 'HEAD' && !refusal) || status === 204 || status === 304
    if (bare) {
      answers.push({ status, body: '', closes })
      at = start
    } else if (codings.length > 0) {
      if (codings[0] !== 'chunked') return bad(`coding ${codings[0]}`)
      const chunks = readChunks(text, start)
      if (chunks === 'bad') return bad('chunks')
      if (chunks === 'beginning') return { answers, rest: 'beginning', problem: '' }
      answers.push({ status, body: chunks.body, closes })
      at = chunks.end
    } else if (lengths.length > 0) {
      if (!/^\d+$/.test(lengths[0]!)) return bad(`length ${lengths[0]}`)
      const end = start + Number(lengths[0])
      // Was the method HEAD? Then this is all.
      const ends = end > text.length && over && method === undefined && text.length === start
      if (end > text.length && !ends) return { answers, rest: 'beginning', problem: '' }
      answers.push({ status, body: text.slice(start, end), closes })
      at = Math.min(end, text.length)
    } else {
      if (!closes) return bad(`no framing ${JSON.stringify(lines)}`)
      if (!over) return { answers, rest: 'beginning', problem: '' }
      answers.push({ status, body: text.slice(start), closes })
      at = text.length
    }
  }
}
