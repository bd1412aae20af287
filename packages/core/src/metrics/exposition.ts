/** One line: the labels as they are written, without braces, and the number. */
export interface Sample {
  readonly suffix: string
  readonly labels: string
  readonly value: number
}

/** Everything of one name. */
export interface Family {
  readonly name: string
  readonly help: string
  readonly type: 'counter' | 'gauge' | 'histogram' | 'summary'
  samples(): Iterable<Sample>
}

/** Of the text format, version 0.0.4. */
export const CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8'

export function expositionText(families: readonly Family[]): string {
  const lines: string[] = []
  for (const family of families) {
    lines.push(`# HELP ${family.name} ${escaped(family.help)}`, `# TYPE ${family.name} ${family.type}`)
    for (const { suffix, labels, value } of family.samples()) {
      const braces = labels === '' ? '' : `{${labels}}`
      lines.push(`${family.name}${suffix}${braces} ${numberText(value)}`)
    }
  }
  return `${lines.join('\n')}\n`
}

/** Names and values of labels as the format has them. */
export function labelText(names: readonly string[], values: readonly string[]): string {
  return names.map((name, i) => `${name}="${escaped(values[i] ?? '').replaceAll('"', '\\"')}"`).join(',')
}

/** Labels with one more behind them. */
export function withLabel(labels: string, name: string, value: string): string {
  const last = labelText([name], [value])
  return labels === '' ? last : `${labels},${last}`
}

export function numberText(value: number): string {
  if (value === Number.POSITIVE_INFINITY) return '+Inf'
  if (value === Number.NEGATIVE_INFINITY) return '-Inf'
  return String(value)
}

function escaped(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')
}
