import { type ApiInfo, checkDefinitions, type DefinitionSource } from '@postern/core'
import { located } from '@postern/core/host'
import type { Finding } from './finding.ts'
import { LINTS } from './lint/lints.ts'
import type { Lint, Remark } from './lint/lint.ts'
import { routesOf } from './lint/routes.ts'
import { type Gathered, ofProblem } from './loading.ts'

export interface Inspected {
  readonly apis: readonly ApiInfo[]
  readonly findings: readonly Finding[]
}

/** Everything there is to say about what was gathered. Lints only look at definitions that are valid. */
export async function inspect({ sources, options, problems }: Gathered): Promise<Inspected> {
  if (sources.length === 0) return { apis: [], findings: problems }
  const checked = await checkDefinitions(sources, options)
  const wrong = [...problems, ...checked.problems.map(ofProblem)]
  const warnings = checked.warnings.map((warning): Finding => ({ severity: 'warning', rule: 'ignored', ...warning }))
  if (wrong.length > 0) return { apis: checked.apis, findings: [...wrong, ...warnings] }
  const linted = { apis: checked.apis, routes: routesOf(checked.apis), options }
  const remarks = LINTS.flatMap((lint) => lint.run(linted).map((remark) => ofRemark(lint, remark, sources)))
  return { apis: checked.apis, findings: [...warnings, ...remarks] }
}

function ofRemark(
  { id, severity }: Lint,
  { api, path, message }: Remark,
  sources: readonly DefinitionSource[],
): Finding {
  const finding = { severity, rule: id, path, message, api: api?.name }
  const source = api === undefined ? undefined : sources.find(({ document }) => nameOf(document) === api.name)
  return source === undefined ? finding : { ...finding, ...located({ path, message }, source) }
}

function nameOf(document: unknown): unknown {
  return typeof document === 'object' && document !== null ? (document as { readonly name?: unknown }).name : undefined
}
