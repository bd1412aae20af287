/** The outcome of `work`, or a rejection once `ms` have passed. What `work` comes to later is nobody's business any more. */
export function withDeadline<T>(work: Promise<T>, ms: number, late: () => Error): Promise<T> {
  return new Promise((resolve, reject) => {
    // The reply may lie in the socket already when a busy process gets to its timers: it is read before giving up.
    const timer = setTimeout(() => setImmediate(() => reject(late())), ms)
    work.finally(() => clearTimeout(timer)).then(resolve, reject)
  })
}
