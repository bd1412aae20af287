import { setImmediate as nextTurn } from 'node:timers/promises'

/** What postern warns of through the process while something runs; `about` keeps those that say it. */
export async function warningsDuring(run: () => unknown, about = ''): Promise<readonly string[]> {
  const all = await allWarningsDuring(run)
  return all.flatMap(({ name, message }) => (name === 'PosternWarning' && message.includes(about) ? [message] : []))
}

/** The same of everybody, Node included. */
export async function allWarningsDuring(run: () => unknown): Promise<readonly Error[]> {
  const warnings: Error[] = []
  const listen = (warning: Error): void => void warnings.push(warning)
  process.on('warning', listen)
  try {
    await run()
    // Warnings are given in the next turn.
    await nextTurn()
    return warnings
  } finally {
    process.off('warning', listen)
  }
}
