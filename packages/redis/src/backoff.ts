const SHORTEST_MS = 200
const LONGEST_MS = 1000

/** Milliseconds to wait before connecting again: more each time, and different in each process. */
export function backoff(attempt: number): number {
  const most = Math.min(SHORTEST_MS * 2 ** attempt, LONGEST_MS)
  return Math.round(SHORTEST_MS + Math.random() * (most - SHORTEST_MS))
}
