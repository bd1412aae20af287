import { setImmediate as nextTurn } from 'node:timers/promises'

/** What postern warns of through the process while something runs; `about` keeps those that say it. */
export async function warningsDuring(run: () => unknown, about = ''): Promise<readonly string[]> {
  const warnings: string[] = []
  const listen = ({ name, message }: Error): void => {
    if (name === 'PosternWarning' && message.includes(about)) warnings.push(message)
  }
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
