interface Sample {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

export interface Parsed {
  readonly types: ReadonlyMap<string, string>
  readonly helps: ReadonlyMap<string, string>
  readonly samples: readonly Sample[]
}

/** Reads the text format, version 0.0.4, as its documentation has it; throws at what is none. */
export function parseExposition(text: string): Parsed {
  const types = new Map<string, string>()
  const helps = new Map<string, string>()
  const samples: Sample[] = []
  const lines = text.split('\n')
  if (lines.pop() !== '') throw new Error('The last line does not end.')
  for (const line of lines) {
    const comment = /^# (HELP|TYPE) ([a-zA-Z_:][\w:]*) (.*)$/.exec(line)
    if (comment !== null) {
      const [, kind, name = '', rest = ''] = comment
      const known = kind === 'TYPE' ? types : helps
      if (known.has(name)) throw new Error(`A second ${kind} of ${name}.`)
      if (kind === 'TYPE' && samples.some((sample) => sample.name === name)) throw new Error(`A late TYPE of ${name}.`)
      known.set(name, rest)
      continue
    }
    const sample = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (NaN|[+-]Inf|[-+\d.e]+)$/.exec(line)
    if (sample === null) throw new Error(`No line of the format: ${line}`)
    const [, name = '', labels = '', value = ''] = sample
    samples.push({ name, labels: labelsOf(labels), value: Number(value.replace('Inf', 'Infinity')) })
  }
  return { types, helps, samples }
}

function labelsOf(text: string): Record<string, string> {
  const labels: Record<string, string> = {}
  const pattern = /([a-zA-Z_]\w*)="((?:[^"\\]|\\[\\"n])*)"(?:,|$)/y
  while (pattern.lastIndex < text.length) {
    const at = pattern.lastIndex
    const match = pattern.exec(text)
    if (match === null) throw new Error(`No labels: ${text.slice(at)}`)
    const [, name = '', value = ''] = match
    labels[name] = value.replaceAll(/\\(.)/g, (_, escaped: string) => (escaped === 'n' ? '\n' : escaped))
  }
  return labels
}
