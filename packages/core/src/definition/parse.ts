import type { ApiDefinitionInput } from '../api-input.ts'
import { describe } from '../errors.ts'
import { type Fields, isFields } from '../fields.ts'
import { dialectOf, translate } from './dialect.ts'
import { copyDocument } from './document-copy.ts'
import type { Draft } from './draft.ts'
import { ignoresCase } from './loose-case.ts'
import { otherThing } from './no-definition.ts'
import { deepFreeze, normalise } from './normalise.ts'
import { type ReferenceContext, referenceProblems } from './plugin-references.ts'
import {
  definitionError,
  inOrder,
  isWithin,
  located,
  type Problem,
  schemaProblems,
  type Suspicion,
  withoutEchoes,
} from './problems.ts'
import { ruleProblems } from './rules.ts'
import { definitionSchema } from './schema.ts'
import type { DefinitionSource } from '../source.ts'
import type { Translation, TranslationContext } from './translation.ts'

/** What definitions are read with beside themselves. */
export interface ParseContext extends Omit<TranslationContext, 'named'>, ReferenceContext {}

/** Nothing is handed in. */
const NOTHING_GIVEN: ParseContext = Object.freeze({
  plugins: {},
  hasDirectory: false,
  bundles: {},
  pathMatching: 'whole',
})

/** One definition that is right. */
export interface ParsedDefinition {
  readonly draft: Draft
  /** The Tyk document it was made from, frozen. */
  readonly document: Fields | undefined
  /** What is ignored in it. */
  readonly warnings: readonly Problem[]
  /** A problem of the native form as its author knows it: where it stands in the document, and in the file. */
  readonly place: (problem: Problem) => Problem
}

/** Everything there is to say about one or several definitions. */
export interface Reading {
  /** What was read, for people. */
  readonly title: string
  /** Empty where there are problems. */
  readonly definitions: readonly ParsedDefinition[]
  readonly problems: readonly Problem[]
  /** What is ignored, in all of them. */
  readonly warnings: readonly Problem[]
  /** Those that say themselves that they are not to be served. */
  readonly inactive: readonly Problem[]
}

/** Validates one definition or several of any dialect; every problem of all of them is in the one `PSTN_DEFINITION_INVALID` it throws. */
export function parseDefinitions(input: unknown, context: ParseContext = NOTHING_GIVEN): Reading {
  const reading = readDefinitions(input, context)
  if (reading.problems.length > 0) throw definitionError(reading.title, reading.problems)
  return reading
}

/** The same, and throws nothing. */
export function readDefinitions(input: unknown, context: ParseContext): Reading {
  // Holes in a sparse array become entries, which `flatMap` would pass over.
  const inputs: readonly unknown[] = Array.isArray(input) ? Array.from<unknown>(input) : [input]
  if (inputs.length === 0) {
    const problems = [{ path: '', message: 'found an empty array, expected at least one definition' }]
    return { title: 'The list of definitions', definitions: [], problems, warnings: [], inactive: [] }
  }
  const candidates = inputs.map((one, i) => new Candidate(one, i, inputs.length === 1, context))
  const title = titleOf(candidates)
  const wrong = candidates.map((candidate) => candidate.problems())
  const right = candidates
    .filter((_, i) => wrong[i]!.length === 0)
    .map((candidate) => [candidate, candidate.parsed(context)] as const)
  const active = right.filter(([{ translation }]) => translation.active)
  const open = new Set(active.map(([, { draft }]) => draft.listenPath))
  // Where another API has the listen path, nothing opens behind one that is switched off.
  const served = right.filter(
    ([{ translation }, { draft }]) =>
      translation.active || (translation.closed !== undefined && !open.has(draft.listenPath)),
  )
  const parsed = served.map(([, definition]) => definition)
  const clashes = clashesOf(
    served.map(([candidate]) => candidate),
    parsed,
  )
  const problems = [...wrong.flat(), ...clashes]
  const warnings = candidates.flatMap((candidate) => candidate.warnings())
  const inactive = candidates.filter(({ translation }) => !translation.active).map((candidate) => candidate.inactive())
  return { title, definitions: problems.length === 0 ? parsed : [], problems, warnings, inactive }
}

/** One of the things handed in as a definition. */
class Candidate {
  readonly index: number
  readonly source: DefinitionSource | undefined
  readonly translation: Translation
  readonly #document: Fields | undefined
  readonly #isTyk: boolean
  readonly #alone: boolean
  readonly #context: ParseContext

  constructor(input: unknown, index: number, alone: boolean, context: ParseContext) {
    this.index = index
    this.source = isSource(input) ? input : undefined
    const document = this.source === undefined ? input : this.source.document
    this.#alone = alone
    this.#context = context
    const read = readTyk(document)
    this.#isTyk = read !== undefined
    this.#document = read !== undefined && 'copy' in read ? read.copy : undefined
    this.translation =
      read === undefined
        ? nothingTranslated(document as Fields)
        : 'copy' in read
          ? translate(read.copy, { ...context, named: (name) => Object.hasOwn(context.plugins, name) })
          : { ...nothingTranslated(undefined), problems: [read] }
  }

  /** What it is called where others are told what it says there. */
  label(field: string): string {
    const { file, line } = this.place({ path: field, message: '' })
    if (file === undefined) return `[${this.index}]`
    return line === undefined ? file : `${file}:${line}`
  }

  problems(): Problem[] {
    const { input, problems } = this.translation
    const instead = this.#isTyk ? undefined : otherThing(input)
    if (instead !== undefined) return this.#told([{ path: '', message: instead }])
    if (this.#isTyk && input === undefined) return this.#told(problems)
    const ofSchema = schemaProblems(definitionSchema.safeParse(input).error)
    const known = new Set(ofSchema.map(({ path }) => path))
    const others = [...ruleProblems(input), ...referenceProblems(input, this.#context)]
    // What has no valid shape need not be told twice.
    const native: Suspicion[] = [...ofSchema, ...others.filter(({ path }) => !known.has(path))]
    const placed = native.map((problem) => this.#inDocument(problem))
    // Nor what could not be translated, and is missing for that reason.
    const consequence = (problem: Suspicion): boolean => problems.some((other) => isWithin(problem, other))
    return this.#told([...problems, ...placed.filter((problem) => !consequence(problem))])
  }

  #told(problems: readonly Suspicion[]): Problem[] {
    return inOrder(withoutEchoes(problems).map((problem) => this.#inFile(problem)))
  }

  warnings(): Problem[] {
    return this.translation.warnings.map((warning) => this.#inFile(warning))
  }

  inactive(): Problem {
    const message = `${describe(this.translation.input?.['name'])} is switched off: the document says that it is not active`
    return this.#inFile({ path: '', message })
  }

  /** Only for one without problems. */
  parsed({ plugins }: ParseContext): ParsedDefinition {
    return {
      draft: normalise((this.translation.closed ?? this.translation.input) as unknown as ApiDefinitionInput, plugins),
      document: this.#document === undefined ? undefined : deepFreeze(this.#document),
      warnings: this.warnings(),
      place: (problem) => this.place(problem),
    }
  }

  place(problem: Problem): Problem {
    return withoutEchoes([this.#inDocument(problem)]).map((one) => this.#inFile(one))[0]!
  }

  /** The place in the document of a place in the native form: that of the nearest part around it, and the way on from there. */
  #inDocument(problem: Suspicion): Suspicion {
    const { origins, elsewhere } = this.translation
    const { path } = problem
    for (
      let end = path.length;
      end > 0;
      end = Math.max(path.lastIndexOf('.', end - 1), path.lastIndexOf('[', end - 1))
    ) {
      const [part, rest] = [path.slice(0, end), path.slice(end)]
      const origin = origins.get(part)
      const outside = elsewhere.get(part)
      if (origin !== undefined && outside !== undefined) {
        const message = `${outside}${rest}: ${problem.message}`
        return { ...problem, path: origin, message, elsewhere: outside + rest }
      }
      if (origin !== undefined) return { ...problem, path: origin + rest }
    }
    return problem
  }

  #inFile(problem: Problem): Problem {
    if (this.source !== undefined) return located(problem, this.source)
    return this.#alone ? problem : { ...problem, path: joined(this.index, problem.path) }
  }
}

/** A copy of a Tyk document, or why there is none; undefined: it is a native definition. */
function readTyk(document: unknown): { readonly copy: Fields } | Problem | undefined {
  try {
    return isFields(document) && dialectOf(document) !== 'native' ? copyDocument(document) : undefined
  } catch (error) {
    return { path: '', message: `cannot be read: ${error instanceof Error ? error.message : String(error)}` }
  }
}

const nothingTranslated = (input: Fields | undefined): Translation => ({
  input,
  origins: new Map(),
  elsewhere: new Map(),
  problems: [],
  warnings: [],
  active: true,
})

/** Two APIs that answer to the same id, name or listen path: one of them would never be reached. */
function clashesOf(candidates: readonly Candidate[], definitions: readonly ParsedDefinition[]): Problem[] {
  const problems: Problem[] = []
  for (const field of ['id', 'name', 'listenPath'] as const) {
    const seen = new Map<string, number>()
    for (const [i, { draft, place }] of definitions.entries()) {
      // Two that ignore case are met by the same requests, however each is written.
      const loose = field === 'listenPath' && ignoresCase(draft) ? `~${draft.listenPath.toLowerCase()}` : undefined
      const other = seen.get(draft[field]) ?? (loose === undefined ? undefined : seen.get(loose))
      // Two ids that are only the names again would say the same thing twice.
      const said = field === 'id' && draft.id === draft.name && definitions[other ?? i]?.draft.name === draft.name
      if (other === undefined) {
        seen.set(draft[field], i)
        if (loose !== undefined) seen.set(loose, i)
      } else if (!said) {
        const written = candidates[i]!.translation.input?.[field]
        const value = written === undefined ? `missing, so ${describe(draft[field])}` : `found ${describe(written)}`
        const message = `${value}, which ${candidates[other]!.label(field)} already has`
        problems.push(place({ path: field, message }))
      }
    }
  }
  return problems
}

function titleOf(candidates: readonly Candidate[]): string {
  if (candidates.length > 1) return `The list of ${candidates.length} definitions`
  const [only] = candidates
  const { input } = only!.translation
  const name: unknown = typeof input === 'object' && input !== null ? input['name'] : undefined
  return typeof name === 'string' && name !== '' ? `The definition of "${name}"` : 'The definition'
}

function joined(index: number, path: string): string {
  return path === '' || path.startsWith('[') ? `[${index}]${path}` : `[${index}].${path}`
}

function isSource(input: unknown): input is DefinitionSource {
  return isFields(input) && typeof input['locate'] === 'function' && 'document' in input
}
