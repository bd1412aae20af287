import fc from 'fast-check'
import type { Attacked, Fuzzer } from './fuzzer.ts'
import { definitions } from './definitions.ts'
import { engines } from './engines.ts'
import { requests } from './requests.ts'
import { responses } from './responses.ts'
import { targets } from './targets.ts'

export const FUZZERS = ['requests', 'responses', 'engines', 'definitions', 'targets'] as const
export type FuzzerName = (typeof FUZZERS)[number]

/** Whoever runs it need not know what it makes up. */
const all = { requests, responses, engines, definitions, targets } as unknown as Readonly<Record<FuzzerName, Fuzzer<unknown>>>

export const fuzzerOf = (name: FuzzerName): Fuzzer<unknown> => all[name]

interface Finding {
  readonly seed: number
  readonly path: string
  /** The smallest input that was found. */
  readonly input: string
  readonly reason: string
}

export interface Outcome {
  readonly tried: number
  readonly finding: Finding | undefined
}

/** Rejections and exceptions nobody has heard, while any fuzzer runs. */
const unheard: unknown[] = []

/** From then on what nobody hears is a finding instead of the end of the process. */
export function listenToProcess(): void {
  process.on('unhandledRejection', (reason) => unheard.push(reason))
  process.on('uncaughtException', (error) => unheard.push(error))
}

/** How many inputs belong to one seed. */
const TIMES = 20

/** A finding is made smaller for so long at most. */
const LIMIT_MS = 60_000

/** Tries inputs of one seed on what `start` has set up; `path`: the finding of that seed that is there. */
export async function run<T>(
  fuzzer: Fuzzer<T>,
  attacked: Attacked<T>,
  { seed, path }: { readonly seed: number; readonly path?: string | undefined },
): Promise<Outcome> {
  let tried = 0
  const property = fc.asyncProperty(fuzzer.input, async (input) => {
    tried += fuzzer.count(input)
    await attacked.check(input)
    const [first] = unheard.splice(0)
    if (first !== undefined) throw new Error('Nobody has heard', { cause: first })
  })
  const details = await fc.check(property, {
    seed,
    numRuns: TIMES,
    plugins: [fc.interruptAfterTimeLimit(LIMIT_MS)],
    ...(path !== undefined && { path }),
  })
  if (!details.failed || details.counterexample === null) return { tried, finding: undefined }
  const [input] = details.counterexample as [T]
  const { errorInstance: error } = details
  const stack = error instanceof Error ? error.stack : String(error)
  const cause = error instanceof Error && error.cause instanceof Error ? `\n${error.cause.stack}` : ''
  return {
    tried,
    finding: { seed, path: details.counterexamplePath ?? '', input: fuzzer.show(input), reason: `${stack}${cause}` },
  }
}
