import { parseArguments, UsageError } from '../arguments.ts'
import { type Command, HELP_OPTION, JSON_OPTION } from '../command.ts'
import { type Finding, sorted } from '../finding.ts'
import { inspect, type Inspected } from '../inspect.ts'
import { gather, SOURCE_OPTIONS } from '../loading.ts'
import type { Channel } from '../output.ts'
import { withProgress } from '../progress.ts'
import { countText, plural, report } from '../report.ts'

const OPTIONS = {
  ...SOURCE_OPTIONS,
  strict: { type: 'boolean', says: 'exit with 1 on warnings, too' },
  ...JSON_OPTION,
  ...HELP_OPTION,
} as const

export const check: Command = {
  name: 'check',
  usage: 'FILE... [--plugins DIR] [--options FILE] [--strict] [--json]',
  says: 'checks definitions: all problems with their places, plugins loaded, lints',
  options: OPTIONS,
  notes: ['FILE is JSON or YAML (native, Tyk OAS, Tyk Classic), or a directory of such files.'],
  async run(args, output) {
    const { values, positionals: files } = parseArguments(args, OPTIONS)
    if (files.length === 0) throw new UsageError('Name the definitions to check: postern check FILE...')
    if (values.json) output.out.reserve(process.stderr)
    const inspected = await withProgress(output.err, 'checking', async () => inspect(await gather(files, values)))
    const ok = passes(inspected.findings, values.strict)
    if (values.json) output.out.json(asJson(ok, inspected), 2)
    else show(output.out, inspected)
    return ok ? 0 : 1
  },
}

function passes(findings: readonly Finding[], strict: boolean): boolean {
  return !findings.some(({ severity }) => severity === 'error' || (strict && severity === 'warning'))
}

function asJson(ok: boolean, { apis, findings }: Inspected): object {
  return {
    ok,
    apis: apis.map(({ id, name, definition }) => ({ id, name, listenPath: definition.listenPath })),
    findings: sorted(findings),
  }
}

function show(out: Channel, { apis, findings }: Inspected): void {
  report(out, findings)
  const counts = countText(findings)
  if (findings.some(({ severity }) => severity === 'error')) out.line(out.paint('red', counts))
  else if (counts === '') out.line(out.paint('green', `${plural(apis.length, 'API')}, no problems`))
  else out.line(out.paint('yellow', `${plural(apis.length, 'API')}, ${counts}`))
}
