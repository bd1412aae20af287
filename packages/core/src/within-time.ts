/** Waits, but not longer than that: a timer cannot be set further than 2^31 - 1 ms ahead. */
export async function withinTime(work: Promise<unknown>, timeoutMs: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<void>((resolve) => (timer = setTimeout(resolve, Math.min(timeoutMs, 2_147_483_647))))
  await Promise.race([work, late])
  clearTimeout(timer)
}
