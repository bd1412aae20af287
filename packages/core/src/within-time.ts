import { LONGEST_TIMER_MS } from './longest-timer.ts'

/** Waits, but not longer than that, nor than a timer can. */
export async function withinTime(work: Promise<unknown>, timeoutMs: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<void>((resolve) => (timer = setTimeout(resolve, Math.min(timeoutMs, LONGEST_TIMER_MS))))
  await Promise.race([work, late])
  clearTimeout(timer)
}
