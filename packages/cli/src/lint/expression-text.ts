/** What can be said of an RE2 expression that is searched for in a path by looking at its text. */

/** Whether it only matches from the start of the path. */
export function startsAtStart(source: string): boolean {
  return /^(?:\(\?[a-z]+\))?(?:\^|\\A)/.test(source)
}

/** Whether every path matches. Says no where it takes more than a look. */
export function matchesEveryPath(source: string): boolean {
  const { atStart, inner, atEnd } = anchors(source)
  if (/^\/?\.\*\??$/.test(inner) || inner === '.+' || inner === '.+?') return true
  if (inner === '' || inner === '/') return !atEnd || (inner === '' && !atStart)
  return inner === '.' && !(atStart && atEnd)
}

/** Alternatives at the top of which an anchor holds for one only: `^/a|/b`. */
export function hasLooseAlternative(source: string): boolean {
  const branches = topLevelBranches(source)
  if (branches.length < 2) return false
  const anchored = branches.filter((branch) => /^(?:\^|\\A)/.test(branch)).length
  return anchored > 0 && anchored < branches.length
}

/** Text that every match begins with; empty where that takes more than a look. */
export function literalStart(source: string): string {
  return readLiteral(source).text
}

/** The text it stands for, where it is nothing but text, behind an anchor or not; undefined else. */
export function literalOnly(source: string): string | undefined {
  const { text, isAll } = readLiteral(source)
  return isAll && text !== '' ? text : undefined
}

function readLiteral(source: string): { readonly text: string; readonly isAll: boolean } {
  if (topLevelBranches(source).length > 1) return { text: '', isAll: false }
  let text = ''
  for (const [, escaped, plain] of source.replace(/^(?:\^|\\A)/, '').matchAll(LITERAL)) {
    const character = escaped ?? plain
    if (character === undefined) return { text, isAll: false }
    text += character
  }
  return { text, isAll: true }
}

/** A character that has to be there, or whatever ends the text: what is repeated or optional need not be. */
const LITERAL = /\\([^\w\s])(?![*+?{])|([^\\^$.|?*+()[\]{}])(?![*+?{])|[^]/g

function anchors(source: string): { readonly atStart: boolean; readonly inner: string; readonly atEnd: boolean } {
  let inner = source
  let atStart = false
  let atEnd = false
  for (;;) {
    const before = inner
    if (/^(?:\^|\\A)/.test(inner)) {
      atStart = true
      inner = inner.replace(/^(?:\^|\\A)/, '')
    }
    if (/(?:[^\\]|^)(?:\$|\\z)$/.test(inner)) {
      atEnd = true
      inner = inner.replace(/(?:\$|\\z)$/, '')
    }
    inner = inner.replace(/^\((?:\?:|\?P?<\w+>)?([^()|]*)\)$/, '$1')
    if (inner === before) return { atStart, inner, atEnd }
  }
}

function topLevelBranches(source: string): string[] {
  const branches = ['']
  let depth = 0
  for (const [token] of source.matchAll(/\\Q[^]*?(?:\\E|$)|\\[^]|\[\^?\]?(?:\\[^]|[^\]\\])*\]|[^]/g)) {
    if (token === '(') depth += 1
    if (token === ')') depth -= 1
    if (token === '|' && depth === 0) branches.push('')
    else branches[branches.length - 1] += token
  }
  return branches
}
