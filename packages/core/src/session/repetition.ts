/** What matters about an expression besides what it matches. */
export interface Survey {
  /** Whether it can match without taking a character. */
  readonly matchesEmpty: boolean
  /** The first part that repeats what repeats already, such as `(a+)+`. */
  readonly nested: string | undefined
}

interface Item {
  /** Offset in the expression. */
  readonly start: number
  /** Can match without taking a character. */
  readonly empty: boolean
  /** Can be one unbounded repetition and nothing else. */
  readonly runs: boolean
}

const QUOTED = /\\Q(?<quoted>.*?)(?:\\E|$)/
const ASSERTION = /(?<assertion>\\[AzbB]|[\^$])/
const FLAGS = /(?<flags>\(\?[A-Za-z-]+\))/
const OPEN = /(?<open>\((?:\?P?<[^>]*>|\?[A-Za-z-]*:)?)/
const CLOSE = /(?<close>\))/
const BAR = /(?<bar>\|)/
const QUANTIFIER = /(?<quantifier>(?:[*+?]|\{\d+(?:,\d*)?\})\??)/
// A bracketed class, an escape, or any other character: all of them take one character.
const CHARACTER = /\[\^?\]?(?:\\.|\[:\^?\w+:\]|[^\\\]])*\]|\\[pP]\{[^}]*\}|\\[pP].|\\x\{[^}]*\}|\\x..|\\[0-7]{1,3}|\\?./

const TOKENS = [QUOTED, ASSERTION, FLAGS, OPEN, CLOSE, BAR, QUANTIFIER, CHARACTER]
const TOKEN = new RegExp(TOKENS.map((token) => token.source).join('|'), 'gsu')

/** Reads an expression that RE2 accepts; what it says about others means nothing. */
export function surveyExpression(source: string): Survey {
  const tokens = [...source.matchAll(TOKEN)]
  let position = 0
  let nested: string | undefined

  /** Reads up to the end of the group, or of the expression. */
  function readGroup(start: number): Item {
    const branches: Item[][] = [[]]
    while (position < tokens.length) {
      const token = tokens[position++]!
      const { quoted, assertion, flags, open, close, bar, quantifier } = token.groups ?? {}
      const branch = branches.at(-1)!
      const at = token.index
      if (close !== undefined) break
      else if (bar !== undefined) branches.push([])
      else if (quantifier !== undefined) repeatLast(branch, quantifier, at)
      else if (open !== undefined) branch.push(readGroup(at))
      else if (quoted !== undefined) for (const _ of quoted) branch.push({ start: at, empty: false, runs: false })
      else if (flags === undefined) branch.push({ start: at, empty: assertion !== undefined, runs: false })
    }
    return {
      start,
      empty: branches.some((items) => items.every((item) => item.empty)),
      runs: branches.some(isRun),
    }
  }

  function repeatLast(branch: Item[], quantifier: string, at: number): void {
    const item = branch.pop()
    if (item === undefined) return
    const unbounded = /^(?:[*+]|\{\d+,\})/.test(quantifier)
    if (unbounded && item.runs) nested ??= source.slice(item.start, at + quantifier.length)
    branch.push({
      start: item.start,
      empty: item.empty || /^(?:[*?]|\{0+[,}])/.test(quantifier),
      runs: item.runs || unbounded,
    })
  }

  const { empty } = readGroup(0)
  return { matchesEmpty: empty, nested }
}

/** One item runs, and all others can be nothing. */
function isRun(items: readonly Item[]): boolean {
  const needed = items.filter((item) => !item.empty)
  return needed.length === 0 ? items.some((item) => item.runs) : needed.length === 1 && needed[0]!.runs
}
