import { type ApiInfo, checkDefinitions, type CheckReport } from '@postern/core'
import type { Finding } from './finding.ts'
import { LINTS } from './lint/lints.ts'
import type { Lint, Remark } from './lint/lint.ts'
import { routesOf } from './lint/routes.ts'
import { findingOf, findingsOf, type Gathered } from './loading.ts'

export interface Inspected {
  readonly apis: readonly ApiInfo[]
  readonly findings: readonly Finding[]
}

/** Everything there is to say about what was gathered. Lints only look at definitions that are valid. */
export async function inspect({ sources, options, problems }: Gathered): Promise<Inspected> {
  if (sources.length === 0) return { apis: [], findings: problems }
  try {
    const report = await checkDefinitions(sources, options)
    const wrong = [...problems, ...report.problems.map((problem) => findingOf(problem))]
    const ignored = report.warnings.map((warning) => findingOf(warning, 'warning', 'ignored'))
    const { apis } = report
    if (wrong.length > 0) return { apis, findings: [...wrong, ...ignored] }
    const linted = { apis, routes: routesOf(apis), options }
    const remarks = LINTS.flatMap((lint) => lint.run(linted).map((remark) => ofRemark(lint, remark, report)))
    return { apis, findings: [...ignored, ...remarks] }
  } catch (error) {
    return { apis: [], findings: [...problems, ...findingsOf(error)] }
  }
}

function ofRemark({ id, severity }: Lint, { api, path, message }: Remark, report: CheckReport): Finding {
  if (api === undefined) return findingOf({ path, message }, severity, id)
  return { ...findingOf(report.place(api, { path, message }), severity, id), api: api.name }
}
