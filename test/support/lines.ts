/** One header field line, spelt as it was sent. */
export type Line = readonly [name: string, value: string]

/** Node's flat `rawHeaders` as pairs. */
export function linesOf(raw: readonly string[]): Line[] {
  return raw.flatMap((name, i) => (i % 2 === 0 ? [[name, raw[i + 1]!] as const] : []))
}

/** The values of a field, one per line. */
export function valuesOf(lines: readonly Line[], name: string): string[] {
  return lines.filter((line) => line[0].toLowerCase() === name).map((line) => line[1])
}

/** The lines without some fields, named in lower case. */
export function without(lines: readonly Line[], ...names: readonly string[]): Line[] {
  return lines.filter((line) => !names.includes(line[0].toLowerCase()))
}
