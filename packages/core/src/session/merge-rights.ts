import type { AccessRight, AllowedUrl } from './access-right.ts'
import { isRecord } from './shape.ts'

/** What two policies together allow with one API; limits are merged elsewhere. An empty list means everything, so it wins. */
export function mergeRights(one: AccessRight, other: AccessRight): AccessRight {
  return {
    ...one,
    versions: isEither(one.versions, other.versions) ? [] : [...new Set([...one.versions, ...other.versions])],
    allowedUrls: isEither(one.allowedUrls, other.allowedUrls)
      ? []
      : mergeUrls([...one.allowedUrls, ...other.allowedUrls]),
    restrictedTypes: mergeData(one.restrictedTypes, other.restrictedTypes),
    allowedTypes: mergeData(one.allowedTypes, other.allowedTypes),
    fieldAccessRights: mergeData(one.fieldAccessRights, other.fieldAccessRights),
    disableIntrospection: one.disableIntrospection || other.disableIntrospection,
    jsonRpcMethods: mergeData(one.jsonRpcMethods, other.jsonRpcMethods),
    jsonRpcMethodsAccessRights: mergeData(one.jsonRpcMethodsAccessRights, other.jsonRpcMethodsAccessRights),
    mcpPrimitives: mergeData(one.mcpPrimitives, other.mcpPrimitives),
    mcpAccessRights: mergeData(one.mcpAccessRights, other.mcpAccessRights),
  }
}

function isEither(one: readonly unknown[], other: readonly unknown[]): boolean {
  return one.length === 0 || other.length === 0
}

/** One entry for each text, in the order of first appearance. */
function mergeUrls(urls: readonly AllowedUrl[]): readonly AllowedUrl[] {
  const merged = new Map<string, AllowedUrl>()
  for (const allowed of urls) {
    const known = merged.get(allowed.url)
    const methods = known === undefined ? allowed.methods : [...known.methods, ...allowed.methods]
    merged.set(allowed.url, { ...(known ?? allowed), methods: [...new Set(methods)] })
  }
  return [...merged.values()]
}

/** JSON that is kept for the real gateway: lists are joined by the name of their items, objects field by field. */
function mergeData(one: unknown, other: unknown): unknown {
  if (Array.isArray(one) && Array.isArray(other)) return mergeLists(one, other)
  if (!isRecord(one) || !isRecord(other)) return one ?? other
  const result: Record<string, unknown> = { ...one }
  for (const [field, value] of Object.entries(other))
    result[field] = field === 'max_query_depth' ? deeper(one[field], value) : mergeData(one[field], value)
  return result
}

function mergeLists(one: readonly unknown[], other: readonly unknown[]): readonly unknown[] {
  const merged = new Map<string, unknown>()
  for (const item of [...one, ...other]) {
    const name = nameOf(item)
    merged.set(name, merged.has(name) ? mergeData(merged.get(name), item) : item)
  }
  return [...merged.values()]
}

function nameOf(item: unknown): string {
  if (!isRecord(item)) return JSON.stringify(item)
  const names = [item['name'], item['type_name'], item['field_name']]
  return JSON.stringify(names.every((name) => name === undefined) ? item : names)
}

/** -1 is no limit. */
function deeper(one: unknown, other: unknown): unknown {
  if (typeof one !== 'number' || typeof other !== 'number') return one ?? other
  return one < 0 || other < 0 ? -1 : Math.max(one, other)
}
