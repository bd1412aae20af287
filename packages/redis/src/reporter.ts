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

/** What is told of a server that cannot be reached. */
export interface Outages {
  failed(error: GatewayError): void
  /** It can be reached again. */
  over(): void
}

const WARNING_PAUSE_MS = 60_000

/** One warning of the process for each outage, at most once a minute: for those who gave no `onError`. */
export function outageWarnings(
  now: () => number = () => performance.now(),
  maker: 'redisStore' | 'redisRecords' = 'redisStore',
): Outages {
  let last = -Infinity
  let told = false
  return {
    failed(error) {
      // One that begins within the minute is told of if it outlasts it.
      if (told || now() - last < WARNING_PAUSE_MS) return
      told = true
      last = now()
      const advice = `Postern keeps trying; give ${maker} an onError to be told instead.`
      process.emitWarning(`${error.message} ${advice}`, 'PosternWarning')
    },
    over() {
      told = false
    },
  }
}
