import Module from 'node:module'
import process from 'node:process'
import { setImmediate } from 'node:timers'

// As newer Nodes have hooks of this kind, so do they reject once.
const echoes = !('registerHooks' in Module)
const told = new Set<unknown>()
let waiting = 0

/**
 * Node 20 rejects a promise that nobody can reach, too, when an ES module imports a CommonJS file that throws: the
 * process would end, although whoever imports it hears of the error. All other rejections end it as ever.
 */
export async function withoutEcho<T>(importing: Promise<T>): Promise<T> {
  if (!echoes) return importing
  waiting += 1
  if (waiting === 1) process.on('unhandledRejection', onRejection)
  try {
    return await importing
  } catch (error) {
    told.add(error)
    throw error
  } finally {
    // The echo comes at the end of this turn.
    setImmediate(() => {
      waiting -= 1
      if (waiting > 0) return
      told.clear()
      process.off('unhandledRejection', onRejection)
    })
  }
}

function onRejection(reason: unknown): void {
  if (told.has(reason) || process.listenerCount('unhandledRejection') > 1) return
  throw reason
}
