import { setTimeout as sleep } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

setFlagsFromString('--expose-gc')
/** All of it, at once. */
export const collectGarbage = runInNewContext('gc') as () => void

/** Which of some objects are still there, once connections and timers have had the time to let go of them. */
export async function remaining(all: readonly WeakRef<object>[]): Promise<boolean[]> {
  for (let i = 0; i < 3; i++) {
    await sleep(50)
    collectGarbage()
  }
  return all.map((one) => one.deref() !== undefined)
}
