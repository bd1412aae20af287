import { describe, isGatewayError } from '../errors.ts'
import { TOKEN } from '../http/headers.ts'
import type { GatewayRequest } from '../http/request.ts'
import { compileExpression } from './expression.ts'
import { compileXPath } from './xml.ts'

/** Where the id is, and how it is read. A whole body is nobody's id: it takes an expression. */
export type IdWhere =
  | ((IdHeader | IdForm) & IdExpression)
  | (IdBody & Exclude<IdExpression, { readonly mode: 'value' }>)

interface IdHeader {
  readonly source: 'header'
  readonly header: string
}

/** A field of a form body (`application/x-www-form-urlencoded`) or of the query; two different values name nobody. */
interface IdForm {
  readonly source: 'form'
  readonly param: string
}

interface IdBody {
  readonly source: 'body'
}

type IdExpression =
  /** The whole text is the id. */
  | { readonly mode: 'value' }
  /** An RE2 expression; the id is the whole match with the number `matchIndex`, from 0 (default). */
  | { readonly mode: 'regex'; readonly expression: string; readonly matchIndex?: number | undefined }
  /** An XPath 1.0 expression over the text as XML; the id is the text of the first match. */
  | { readonly mode: 'xpath'; readonly expression: string }

export type IdExtractor = IdWhere & { readonly proof: 'source' | 'id' }

export interface Extracted {
  /** Never empty; at most 8 Ki characters. */
  readonly id: string
  /** What has to be the same for a session to serve without asking the `auth` plugin again. */
  readonly proof: string
}

type Answer = Extracted | undefined

const MAX_MATCH_INDEX = 99
const MAX_ID = 8 * 1024
const MAX_REGEX_TEXT = 64 * 1024
// Some tens of milliseconds; an expression of ordinary size may read the longest text.
const MAX_REGEX_STEPS = 8_000_000
const MAX_FORM = 1024 * 1024

/**
 * Compiles an extractor: what it gives is undefined where a request names nobody, or more than one. Errors of reading the
 * body are thrown on. A bad expression throws `PSTN_DEFINITION_INVALID`.
 */
export function compileExtractor(extractor: IdExtractor): (request: GatewayRequest) => Answer | Promise<Answer> {
  const identify = compileMode(extractor)
  const answer = (source: string | undefined): Answer => {
    // A replacement character stands for bytes that were no UTF-8: texts that differ would look the same.
    if (source === undefined || source === '' || source.includes('\uFFFD')) return undefined
    const id = identify(source)
    if (id === undefined || id === '' || id.length > MAX_ID || /\p{Surrogate}/u.test(id)) return undefined
    return { id, proof: extractor.proof === 'id' ? id : source }
  }
  if (extractor.source === 'body') return (request) => request.text().then(answer)
  if (extractor.source === 'header') {
    const { header } = extractor
    return (request) => answer(single(request.headers.getAll(header)))
  }
  const { param } = extractor
  return (request) => {
    const inQuery = request.query.getAll(param)
    if (!hasForm(request)) return answer(single(inQuery))
    return request.text().then((form) => {
      if (form.length > MAX_FORM) return undefined
      return answer(single([...parseForm(form).getAll(param), ...inQuery]))
    })
  }
}

function compileMode(extractor: IdExpression): (text: string) => string | undefined {
  if (extractor.mode === 'value') return (text) => text
  if (extractor.mode === 'xpath') return compileXPath(extractor.expression, 'PSTN_DEFINITION_INVALID')
  const expression = compileExpression(extractor.expression, 'PSTN_DEFINITION_INVALID')
  const { matchIndex = 0 } = extractor
  const longest = Math.min(MAX_REGEX_TEXT, Math.floor(MAX_REGEX_STEPS / expression.steps))
  return (text) => (text.length > longest ? undefined : expression.matches(text, matchIndex + 1)[matchIndex])
}

/** The one value there is; two that differ name two callers, so nobody. */
function single(values: readonly string[]): string | undefined {
  return new Set(values).size === 1 ? values[0] : undefined
}

function hasForm({ headers }: GatewayRequest): boolean {
  const type = single(headers.getAll('content-type'))?.split(';', 1)[0]
  return type?.trim().toLowerCase() === 'application/x-www-form-urlencoded'
}

function parseForm(form: string): URLSearchParams {
  // The platform would take a leading question mark off, which a form parser does not.
  return new URLSearchParams(form.startsWith('?') ? `%3F${form.slice(1)}` : form)
}

/** A mistake in an extractor. */
export interface ExtractorProblem {
  /** The key, or empty for the extractor as a whole. */
  readonly path: string
  readonly message: string
}

type Fields = Readonly<Record<string, unknown>>

const SOURCES = new Map([
  ['header', ['header']],
  ['form', ['param']],
  ['body', []],
])
const MODES = new Map([
  ['value', []],
  ['regex', ['expression', 'matchIndex']],
  ['xpath', ['expression']],
])

/** What is wrong with an extractor as its author wrote it, whatever it is; empty when `compileExtractor` takes it. */
export function extractorProblems(input: unknown): ExtractorProblem[] {
  const fields = readFields(input)
  if (fields === undefined) {
    const expected = "expected an extractor such as { source: 'header', header: 'authorization', mode: 'value' }"
    return [{ path: '', message: `found ${describe(input)}, ${expected}` }]
  }
  const { source, mode, proof } = fields
  const problems = [...oneOf('source', source, [...SOURCES.keys()]), ...oneOf('mode', mode, [...MODES.keys()])]
  if (source === 'body' && mode === 'value')
    problems.push({
      path: 'mode',
      message: 'found "value" for a whole body, expected "regex" or "xpath" to find the id in it',
    })
  if (proof !== undefined) problems.push(...oneOf('proof', proof, ['source', 'id']))
  if (source === 'header') problems.push(...headerProblems(fields['header']))
  if (source === 'form') problems.push(...paramProblems(fields['param']))
  if (mode === 'regex' || mode === 'xpath') problems.push(...expressionProblems(mode, fields['expression']))
  if (mode === 'regex') problems.push(...matchIndexProblems(fields['matchIndex']))
  return [...problems, ...strayProblems(fields)]
}

/** A copy of its fields; undefined for what is no object, or does not let itself be read. */
function readFields(input: unknown): Fields | undefined {
  if (typeof input !== 'object' || input === null) return undefined
  try {
    return Array.isArray(input) ? undefined : { ...input }
  } catch {
    // A getter or a proxy that throws: the caller says that this is no extractor.
    return undefined
  }
}

function oneOf(path: string, value: unknown, values: readonly string[]): ExtractorProblem[] {
  if (values.some((known) => known === value)) return []
  return [{ path, message: `${foundText(value)}, expected ${values.map((known) => `"${known}"`).join(' or ')}` }]
}

function foundText(value: unknown): string {
  return value === undefined ? 'missing' : `found ${describe(value)}`
}

function headerProblems(name: unknown): ExtractorProblem[] {
  if (typeof name === 'string' && TOKEN.test(name)) return []
  return [{ path: 'header', message: `${foundText(name)}, expected a header name such as "authorization"` }]
}

function paramProblems(name: unknown): ExtractorProblem[] {
  if (typeof name === 'string' && name !== '') return []
  return [{ path: 'param', message: `${foundText(name)}, expected the name of a form field` }]
}

function expressionProblems(mode: 'regex' | 'xpath', expression: unknown): ExtractorProblem[] {
  const problem = (message: string): ExtractorProblem[] => [{ path: 'expression', message }]
  if (typeof expression !== 'string' || expression === '') {
    const expected =
      mode === 'regex' ? 'an RE2 expression such as "[0-9]+"' : 'an XPath expression such as "//user/@id"'
    return problem(`${foundText(expression)}, expected ${expected}`)
  }
  try {
    if (mode === 'xpath') compileXPath(expression, 'PSTN_DEFINITION_INVALID')
    else if (compileExpression(expression, 'PSTN_DEFINITION_INVALID').matchesEmpty)
      return problem(
        `found ${describe(expression)}, which matches the empty string; expected one that takes a character, such as "[0-9]+"`,
      )
  } catch (error) {
    if (!isGatewayError(error)) throw error
    return problem(error.message)
  }
  return []
}

function matchIndexProblems(index: unknown): ExtractorProblem[] {
  if (index === undefined || (Number.isInteger(index) && Number(index) >= 0 && Number(index) <= MAX_MATCH_INDEX))
    return []
  return [{ path: 'matchIndex', message: `found ${describe(index)}, expected an integer from 0 to ${MAX_MATCH_INDEX}` }]
}

/** Keys that say nothing for this source and mode. A mistaken source or mode is told of already: nothing is stray for it. */
function strayProblems(fields: Fields): ExtractorProblem[] {
  const belonging = (kinds: ReadonlyMap<string, readonly string[]>, kind: unknown): readonly string[] =>
    (typeof kind === 'string' ? kinds.get(kind) : undefined) ?? [...kinds.values()].flat()
  const { source, mode } = fields
  const expected = ['source', ...belonging(SOURCES, source), 'mode', ...belonging(MODES, mode), 'proof']
  const message = `does not belong here; expected ${expected.join(', ')}`
  return Object.keys(fields)
    .filter((key) => fields[key] !== undefined && !expected.includes(key))
    .map((key) => ({ path: key, message }))
}
