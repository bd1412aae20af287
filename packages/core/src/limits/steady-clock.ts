/** Milliseconds since the Unix epoch; also between two milliseconds. */
export type Clock = () => number

/** The time of day when the process started, counted on without regard to anybody setting the clock. */
export const processClock: Clock = () => performance.timeOrigin + performance.now()

/** A clock that goes on from where it was when `clock` is set back: no limit gains time, and none waits for the clock to catch up. */
export function steadyClock(clock: Clock): Clock {
  let last = -Infinity
  let lost = 0
  return () => {
    const now = clock()
    if (now < last) lost += last - now
    last = now
    return now + lost
  }
}
