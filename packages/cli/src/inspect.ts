import { type ApiInfo, checkDefinitions, type CheckReport } from '@postern/core'
import type { Finding } from './finding.ts'
import { LINTS } from './lint/lints.ts'
import type { Lint, Remark } from './lint/lint.ts'
import { routesOf } from './lint/routes.ts'
import { findingOf, findingsOf, type Gathered, inOurWords } from './loading.ts'

export interface Inspected {
  readonly apis: readonly ApiInfo[]
  readonly findings: readonly Finding[]
}

/** What keeps a gateway from serving what was gathered; else what it would serve. */
export async function examine(gathered: Gathered): Promise<CheckReport | readonly Finding[]> {
  const { sources, options, problems } = gathered
  // Nothing was read: what is wrong with the rest is not known.
  if (sources.length === 0) return problems
  try {
    const report = await checkDefinitions(sources, options)
    const wrong = [
      ...problems,
      ...inOurWords(
        report.problems.map((problem) => findingOf(problem)),
        gathered,
      ),
    ]
    return wrong.length === 0 ? report : [...wrong, ...ignoredBy(report)]
  } catch (error) {
    return [...problems, ...findingsOf(error)]
  }
}

/** Everything there is to say about what was gathered. Lints only look at definitions that are valid. */
export async function inspect(gathered: Gathered): Promise<Inspected> {
  const report = await examine(gathered)
  if (!('apis' in report)) return { apis: [], findings: report }
  const { apis } = report
  const linted = { apis, routes: routesOf(report), options: gathered.options }
  const inactive = report.inactive.map((one) => findingOf(one, 'hint', 'switched-off'))
  const remarks = LINTS.flatMap((lint) => lint.run(linted).map((remark) => ofRemark(lint, remark, report)))
  return { apis, findings: [...ignoredBy(report), ...inactive, ...remarks] }
}

function ignoredBy({ warnings }: CheckReport): Finding[] {
  // The rule says so already.
  return warnings.map(({ message, ...where }) =>
    findingOf({ ...where, message: message.replace(/^ignored: /, '') }, 'warning', 'ignored'),
  )
}

function ofRemark({ id, severity }: Lint, { api, path, message }: Remark, report: CheckReport): Finding {
  if (api === undefined) return findingOf({ path, message }, severity, id)
  return { ...findingOf(report.place(api, { path, message }), severity, id), api: api.name }
}
