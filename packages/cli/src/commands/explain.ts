import { METHODS } from 'node:http'
import type { Explanation } from '@postern/core'
import { nearest } from '@postern/core/store'
import { parseArguments, UsageError } from '../arguments.ts'
import { type Command, HELP_OPTION, JSON_OPTION } from '../command.ts'
import { sorted } from '../finding.ts'
import { examine } from '../inspect.ts'
import { gather, SOURCE_OPTIONS } from '../loading.ts'
import { type Channel, printable } from '../output.ts'
import { withProgress } from '../progress.ts'
import { report } from '../report.ts'

const OPTIONS = {
  header: { type: 'string', multiple: true, value: "'NAME: VALUE'", says: 'a header of the request; may be repeated' },
  ...SOURCE_OPTIONS,
  ...JSON_OPTION,
  ...HELP_OPTION,
} as const

export const explain: Command = {
  name: 'explain',
  usage: "FILE... METHOD URL [--header 'NAME: VALUE'] [--plugins DIR] [--options FILE] [--json]",
  says: 'says what a request would meet, and why not; runs no plugin',
  options: OPTIONS,
  async run(args, { out, err }) {
    const { values, positionals } = parseArguments(args, OPTIONS)
    const { files, method, url } = readRequest(positionals)
    const headers = readHeaders(values.header)
    if (values.json) out.reserve(process.stderr)
    const found = await withProgress(err, 'loading', async () => examine(await gather(files, values)))
    if (!('apis' in found)) {
      if (values.json) out.json({ findings: sorted(found) }, 2)
      else report(err, found)
      return 1
    }
    const explanation = found.explain(method, url, { headers })
    if (values.json) out.json(explanation, 2)
    else show(out, explanation)
    return 0
  },
}

function readRequest(positionals: readonly string[]): {
  readonly files: readonly string[]
  readonly method: string
  readonly url: string
} {
  const [method = '', url = ''] = positionals.slice(-2)
  const files = positionals.slice(0, -2)
  if (files.length === 0) throw new UsageError('Name definitions and a request: postern explain FILE... METHOD URL')
  const upper = method.toUpperCase()
  if (!METHODS.includes(upper)) {
    const meant = nearest(method, METHODS)
    const hint = meant === undefined ? '' : ` did you mean ${meant}?`
    throw new UsageError(`Found ${JSON.stringify(method)} for the method;${hint} expected FILE... METHOD URL.`)
  }
  if (!/^(?:\/|https?:\/\/)/i.test(url))
    throw new UsageError(`Found ${JSON.stringify(url)} for the URL; expected a path such as /orders/7, or a whole URL.`)
  return { files, method: upper, url }
}

/** A name that is given twice has two lines. */
function readHeaders(texts: readonly string[]): Record<string, string[]> {
  const headers: Record<string, string[]> = Object.create(null) as Record<string, string[]>
  for (const text of texts) {
    const [, name, value] = /^([\w!#$%&'*+.^`|~-]+):[ \t]*([^\r\n]*)$/.exec(text) ?? []
    if (name === undefined || value === undefined)
      throw new UsageError(`Found --header ${JSON.stringify(text)}; expected 'NAME: VALUE'.`)
    ;(headers[name] ??= []).push(value)
  }
  return headers
}

/** The text of the explanation, with what does not happen in the background. */
function show(out: Channel, explanation: Explanation): void {
  const [first = '', ...rows] = printable(String(explanation)).split('\n')
  out.line(out.paint('bold', first))
  for (const row of rows) {
    const [, label = '', text = ''] = /^( {2}\S+ +)(.*)$/.exec(row) ?? [row, '', row]
    const [, what = text, why = ''] = /^(.*?)( {2}\(.*\))?$/.exec(text) ?? []
    const idle = what === '-' || what.startsWith('none:')
    out.line(`${out.paint('cyan', label)}${idle ? out.paint('dim', what) : what}${out.paint('dim', why)}`)
  }
}
