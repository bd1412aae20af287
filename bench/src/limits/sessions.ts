import { benchKeyChain } from './key-chain.ts'
import { benchMemory } from './memory-limits.ts'
import { benchRedis } from './redis-limits.ts'

/**
 * What a decision about a key costs: its limits in memory and on Redis, next to rate-limiter-flexible, and the whole
 * chain. `quick` is for seeing that it works, not for numbers.
 */
export async function benchSessions({ quick }: { readonly quick: boolean }): Promise<void> {
  await benchMemory(quick)
  await benchRedis(quick)
  await benchKeyChain(quick)
}
