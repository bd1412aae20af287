import { digest } from './key-scheme.ts'

/*
 * Ids under which sessions are stored besides those of keys. They carry the API, since another API's caller of that name
 * is somebody else, and begin with a word no key may begin with, so that none of them is ever taken for a key's.
 */
const CALLER = 'caller:'

/** Of a session that an `auth` plugin made, by its `metadata.token`. */
export function pluginSessionId(apiId: string, token: string): string {
  return `${CALLER}${encodeURIComponent(apiId)}:${digest(token)}`
}

/** Of a session that an extracted id names. */
export function extractedSessionId(apiId: string, id: string): string {
  return `${CALLER}${encodeURIComponent(apiId)}:id:${digest(`${apiId}\0${id}`)}`
}

/** Whether an id can be that of a key, and is not one of a session that a plugin made. */
export function isKeyId(id: string): boolean {
  return !id.startsWith(CALLER)
}

/** Whether a plugin of this API made the session. */
export function isOfApi(id: string, apiId: string): boolean {
  return id.startsWith(`${CALLER}${encodeURIComponent(apiId)}:`)
}
