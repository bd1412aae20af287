/** Failures in a row after which a server is left alone for a while. */
const FAILURES = 5
const FIRST_PAUSE_MS = 100
const LONGEST_PAUSE_MS = 1000

/** Keeps callers from waiting, each for its whole deadline, for a server that does not answer. */
export interface Breaker {
  /** Undefined when a call may go ahead, which must then end in `succeeded` or `failed`; else why not. */
  refusal(): string | undefined
  succeeded(): void
  failed(reason: string): void
}

/** `now` in milliseconds; `random` from 0 up to 1. */
export function breaker(now: () => number = () => performance.now(), random: () => number = Math.random): Breaker {
  let failures = 0
  let pauseMs = FIRST_PAUSE_MS
  let closedAgainAt = 0
  let probing = false
  let lastReason = ''
  return {
    refusal() {
      if (failures < FAILURES) return undefined
      if (probing) return `${lastReason} (not asked again before the call that tries it is answered)`
      const pause = closedAgainAt - now()
      if (pause > 0) return `${lastReason} (not asked again before ${Math.ceil(pause)} ms have passed)`
      probing = true
      return undefined
    },
    succeeded() {
      failures = 0
      pauseMs = FIRST_PAUSE_MS
      probing = false
    },
    failed(reason) {
      failures += 1
      lastReason = reason
      // What was under way when the pause began says nothing new.
      if (failures < FAILURES || (failures > FAILURES && !probing)) return
      probing = false
      // Gateways that lost the server together do not come back together.
      closedAgainAt = now() + pauseMs * (0.5 + random() / 2)
      pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS)
    },
  }
}
