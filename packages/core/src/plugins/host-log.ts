import type { LogTarget } from './log.ts'

let current: LogTarget | undefined

/** The logger of the gateway that was made last, for what is logged outside of any request. */
export function hostLog(): LogTarget | undefined {
  return current
}

/** A gateway with a logger has been made. Returns the function for its end. */
export function offerHostLog(target: LogTarget): () => void {
  current = target
  return () => {
    if (current === target) current = undefined
  }
}
