import { randomUUID } from 'node:crypto'
import { digest, type KeyScheme } from '@postern/core/store'
import { murmur128, murmur32WithoutTail } from './murmur.ts'

/** How a key says it is hashed. */
export type KeyHash = 'murmur32' | 'murmur64' | 'murmur128' | 'sha256'

export const KEY_HASHES: { readonly [H in KeyHash]: (text: string) => string } = {
  murmur32: murmur32WithoutTail,
  murmur64: (text) => murmur128(text).slice(0, 16),
  murmur128,
  sha256: digest,
}

export interface TykKeyOptions {
  /** False: sessions are stored under the key itself. */
  readonly hashKeys: boolean
  /** For new keys. */
  readonly keyHash: KeyHash
  /** What custom keys were hashed by before. */
  readonly keyHashFallbacks: readonly KeyHash[]
}

/**
 * Keys of a real gateway: base64 of `{"org":"…","id":"…","h":"…"}`. A key that names no algorithm is hashed by the broken
 * murmur32, so that keys a real gateway stored that way are found; those of fewer than 4 bytes, all the same to it, are not.
 */
export function tykKeys({ hashKeys, keyHash, keyHashFallbacks }: TykKeyOptions): KeyScheme {
  const idOf = (key: string): string => (hashKeys ? hashOf(key) : key)
  return {
    arePlain: !hashKeys,
    create: (orgId, custom) => generated(orgId, custom ?? randomUUID().replaceAll('-', ''), keyHash),
    idsOf(key, orgId) {
      const own = generated(orgId, key, keyHash)
      const isTooShort = hashKeys && Buffer.byteLength(key) < 4
      if (orgOf(key) === orgId && !isTooShort) return [idOf(key)]
      const others = keyHashFallbacks.map((hash) => generated(orgId, key, hash))
      return [idOf(own), ...(isTooShort ? others : [key, ...others]).map(idOf)]
    },
  }
}

/** The hash a real gateway names a text by: the algorithm the text names, else the broken murmur32. */
export function hashOf(text: string): string {
  const named = fieldsOf(text)['h']
  const hash = typeof named === 'string' && Object.hasOwn(KEY_HASHES, named) ? (named as KeyHash) : 'murmur32'
  return KEY_HASHES[hash](text)
}

/** Nothing is escaped: a real gateway does not either, and the text is what is hashed. */
function generated(orgId: string, id: string, hash: KeyHash): string {
  const bare = id.startsWith(orgId) ? id.slice(orgId.length) : id
  return Buffer.from(`{"org":"${orgId}","id":"${bare}","h":"${hash}"}`).toString('base64')
}

/** The organisation a key names: in its fields, or as 24 hex digits in front. */
function orgOf(key: string): string {
  const { org } = fieldsOf(key)
  if (typeof org === 'string') return org
  return key.length > 24 && /^[0-9a-f]{24}/i.test(key) ? key.slice(0, 24) : ''
}

function fieldsOf(key: string): Readonly<Record<string, unknown>> {
  if (!key.startsWith('ey')) return {}
  try {
    const fields: unknown = JSON.parse(Buffer.from(key, 'base64').toString())
    return typeof fields === 'object' && fields !== null ? (fields as Record<string, unknown>) : {}
  } catch {
    // A key that merely looks like one with fields has none.
    return {}
  }
}
