import { createHash } from 'node:crypto'

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
