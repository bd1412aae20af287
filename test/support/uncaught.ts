/** Whatever would have ended the process while `work` runs, in place of the test runner's own ear for it. */
export async function uncaughtDuring(work: () => Promise<void>): Promise<Error[]> {
  const before = process.listeners('uncaughtException')
  const thrown: Error[] = []
  process.removeAllListeners('uncaughtException').on('uncaughtException', (error) => void thrown.push(error))
  try {
    await work()
  } finally {
    process.removeAllListeners('uncaughtException')
    for (const listener of before) process.on('uncaughtException', listener)
  }
  return thrown
}
