import { digest } from './key-scheme.ts'

/*
 * Ids under which sessions are stored besides those of keys. They carry the API, since another API's caller of that name
 * is somebody else, and a colon, so that none of them is ever taken for a key's.
 */

/** Of a session that an `auth` plugin made, by its `metadata.token`. */
export function pluginSessionId(apiId: string, token: string): string {
  return `caller:${apiId}:${digest(token)}`
}

/** Of a session that an extracted id names. */
export function extractedSessionId(apiId: string, id: string): string {
  return `caller:${apiId}:id:${digest(`${apiId}\0${id}`)}`
}

/** Whether an id is that of a key, not of a session that a plugin made. */
export function isKeyId(id: string): boolean {
  return !id.includes(':')
}
