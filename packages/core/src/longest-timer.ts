/** Milliseconds. Node fires a timer that is set further ahead at once. */
export const LONGEST_TIMER_MS = 2_147_483_647
