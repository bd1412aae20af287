import { Excerpts } from './excerpt.ts'
import { type Finding, sorted } from './finding.ts'
import { type Channel, printable } from './output.ts'

const COLOURS = { error: 'red', warning: 'yellow', hint: 'cyan' } as const

/** Findings for people: one line each in a pipe, with an excerpt of the file on a terminal. */
export function report(channel: Channel, findings: readonly Finding[]): void {
  const excerpts = new Excerpts(channel)
  for (const finding of sorted(findings)) {
    channel.line(head(channel, finding))
    const { file, line, column = 1 } = finding
    if (!channel.terminal || file === undefined || line === undefined) continue
    for (const text of excerpts.of(file, line, column)) channel.line(`  ${text}`)
    channel.line()
  }
}

function head(channel: Channel, { severity, rule, message, path, api, file, line, column }: Finding): string {
  const place = [file ?? '', line, line === undefined ? undefined : column].filter((part) => part !== undefined)
  const where = [
    ...(file === undefined ? [] : [channel.paint('bold', printable(place.join(':')))]),
    channel.paint(COLOURS[severity], severity),
    // Of a file it is plain which API is meant.
    ...(file === undefined && api !== undefined ? [printable(api)] : []),
    ...(path === '' ? [] : [printable(path)]),
  ]
  const id = rule === 'definition' || rule === 'listen' ? '' : channel.paint('dim', ` (${rule})`)
  return `${where.join(' ')}: ${printable(channel.terminal ? message : message.replaceAll(/\s*[\r\n]+\s*/g, ' '))}${id}`
}

/** `2 errors, 1 warning`; empty for none. */
export function countText(findings: readonly Finding[]): string {
  return (['error', 'warning', 'hint'] as const)
    .map((severity) => [severity, findings.filter((finding) => finding.severity === severity).length] as const)
    .filter(([, count]) => count > 0)
    .map(([severity, count]) => plural(count, severity))
    .join(', ')
}

export function plural(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`
}
