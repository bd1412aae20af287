/** Comparing takes the product of two lengths; nobody has misspelt a name as long as this. */
const LONGEST = 100

/** Shorter ones begin too many names. */
const LEAST_BEGINNING = 5

/** The known name a misspelt one most likely meant, if any is close enough. */
export function nearest(found: string, known: readonly string[]): string | undefined {
  if (found.length > LONGEST) return undefined
  const wanted = found.toLowerCase().replaceAll(/[^a-z0-9]/g, '')
  const longer = known.find((name) => wanted.length >= LEAST_BEGINNING && name.toLowerCase().startsWith(wanted))
  if (longer !== undefined) return longer
  let best: string | undefined
  let bestDistance = Math.max(1, Math.floor(wanted.length / 3)) + 1
  for (const name of known) {
    if (Math.abs(name.length - wanted.length) >= bestDistance) continue
    const distance = editDistance(wanted, name.toLowerCase())
    if (distance < bestDistance) {
      best = name
      bestDistance = distance
    }
  }
  return best
}

/** What to say behind a name nobody knows: which one was meant, most likely, and all there are. */
export function suggest(found: string, known: readonly string[]): string {
  const meant = nearest(found, known)
  return `${meant === undefined ? '' : `did you mean "${meant}"? `}known: ${known.join(', ')}`
}

/** Levenshtein's distance, with a swap of neighbours counted as one edit. */
function editDistance(a: string, b: string): number {
  const rows: number[][] = [Array.from({ length: b.length + 1 }, (_, j) => j)]
  for (let i = 1; i <= a.length; i += 1) {
    const row = [i]
    for (let j = 1; j <= b.length; j += 1) {
      const cost = a[i - 1] === b[j - 1] ? 0 : 1
      row[j] = Math.min(row[j - 1]! + 1, rows[i - 1]![j]! + 1, rows[i - 1]![j - 1]! + cost)
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]
      if (swapped) row[j] = Math.min(row[j]!, rows[i - 2]![j - 2]! + 1)
    }
    rows.push(row)
  }
  return rows[a.length]![b.length]!
}
