import { onTestFinished } from 'vitest'

/** Counts what must never happen to a process while a plugin misbehaves. */
export function watchProcess(): readonly unknown[] {
  const seen: unknown[] = []
  const onRejection = (reason: unknown): void => void seen.push({ unhandledRejection: reason })
  const onException = (error: unknown): void => void seen.push({ uncaughtException: error })
  process.on('unhandledRejection', onRejection)
  process.on('uncaughtException', onException)
  onTestFinished(() => {
    process.off('unhandledRejection', onRejection)
    process.off('uncaughtException', onException)
  })
  return seen
}

/** Lets timers, microtasks and pending rejections of this turn of the loop come out. */
export async function settled(): Promise<void> {
  for (let i = 0; i < 3; i += 1) await new Promise<void>((resolve) => setImmediate(resolve))
}
