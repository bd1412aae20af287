import type { GatewayError } from '@postern/core/store'

export type Report = (error: GatewayError) => void

/** At most one report a second: a server that is away gives reason for hundreds. */
export function reporter(onError: Report | undefined, now: () => number = () => performance.now()): Report {
  if (onError === undefined) return () => undefined
  let last = -Infinity
  return (error) => {
    if (now() - last < 1000) return
    last = now()
    onError(error)
  }
}
