/** A table as the formatter of this repository leaves it: columns of one width, numbers to the right. */
export function markdownTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [head, ...rows]
  const widths = head.map((_, column) => Math.max(3, ...all.map((row) => [...row[column]!].length)))
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((text, column) => pad(text, widths[column]!, column > 0)).join(' | ')} |`
  const rule = widths.map((width, column) => (column === 0 ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`))
  return [line(head), `| ${rule.join(' | ')} |`, ...rows.map(line)].join('\n')
}

function pad(text: string, width: number, toTheRight: boolean): string {
  const space = ' '.repeat(width - [...text].length)
  return toTheRight ? space + text : text + space
}
