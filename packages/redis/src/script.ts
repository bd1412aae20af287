import { createHash } from 'node:crypto'
import { isNoScript } from './failure.ts'
import type { RedisClient } from './redis-client.ts'

/** A Lua script the server runs as one step. */
export interface Script {
  readonly text: string
  readonly sha1: string
}

export function script(text: string): Script {
  return { text, sha1: sha1(text) }
}

/** SHA-1 in hex: what Redis names scripts by, and computes itself in `redis.sha1hex`. */
export function sha1(text: string): string {
  return createHash('sha1').update(text).digest('hex')
}

/** Runs a script on its names; all of them live in one slot. */
export function runScript(
  client: RedisClient,
  { text, sha1: name }: Script,
  keys: readonly string[],
  args: readonly (string | Buffer)[],
): Promise<unknown> {
  const rest = [String(keys.length), ...keys, ...args]
  return client.call('evalsha', name, ...rest).catch((error: unknown) => {
    // A server that was restarted, or told to forget its scripts, has to be given the text once more.
    if (isNoScript(error)) return client.call('eval', text, ...rest)
    throw error
  })
}
