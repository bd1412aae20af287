/** What a page's tables say of a key: by the text in their first column. */
export interface Told {
  readonly type: string
  readonly default: string
  readonly is: string
}

/** The rows of tables with key, type, default and meaning, in the sections that begin with one of these lines. */
export function toldBy(page: string, beginning: string): ReadonlyMap<string, Told> {
  const [, section = ''] = page.split(beginning)
  // Up to the end of the first table.
  const [table = ''] = /(?:^\|.*\n)+/m.exec(section) ?? []
  const rows = [...table.matchAll(/^\|(.+)\|$/gm)].map(([, row = '']) => row.split('|').map((cell) => cell.trim()))
  return new Map(
    rows
      .filter(([key]) => key?.includes('`'))
      .map(([key = '', type = '', def = '', is = '']) => [key.replaceAll('`', ''), { type, default: def, is }]),
  )
}

/** Text of a page as it is shown where there are no links. */
export function plain(text: string): string {
  return text.replaceAll(/\[([^\]]+)\]\([^)]+\)/g, '$1')
}
