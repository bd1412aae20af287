import { setTimeout as sleep } from 'node:timers/promises'

/** Asserts again and again what becomes true when the other side has heard of it; fails with the last failure. */
export async function eventually(assert: () => unknown, ms = 3_000): Promise<void> {
  const deadline = performance.now() + ms
  for (;;) {
    try {
      await assert()
      return
    } catch (error) {
      if (performance.now() > deadline) throw error
      await sleep(5)
    }
  }
}
