import type { AccessRight } from './access-right.ts'
import type { SessionFields } from './session.ts'
import { compileUrl } from './url-pattern.ts'

/** What access is decided by. */
type Rights = Pick<SessionFields, 'accessRights'>

/** Whether a session may use an API in `version`; an API without versions has `''`. */
export function mayUseApi(session: Rights, apiId: string, version: string): boolean {
  if (isUnrestricted(session)) return true
  const right = rightFor(session, apiId)
  if (right === undefined) return false
  return version === '' || right.versions.length === 0 || right.versions.includes(version)
}

/**
 * Whether a session may use a path of an API: `path` is what follows the listen path, `fullPath` the whole. Methods are
 * compared exactly, but who may GET may HEAD.
 */
export function mayUseUrl(session: Rights, apiId: string, method: string, path: string, fullPath: string): boolean {
  if (isUnrestricted(session)) return true
  const right = rightFor(session, apiId)
  if (right === undefined) return false
  if (right.allowedUrls.length === 0) return true
  for (const { url, methods } of right.allowedUrls) {
    if (!methods.includes(method) && !(method === 'HEAD' && methods.includes('GET'))) continue
    const pattern = compileUrl(url)
    if (pattern.matches(path) || pattern.matches(fullPath)) return true
  }
  return false
}

/** What a session may do with an API, if its rights name it. */
export function rightFor(session: Rights, apiId: string): AccessRight | undefined {
  return Object.hasOwn(session.accessRights, apiId) ? session.accessRights[apiId] : undefined
}

function isUnrestricted({ accessRights }: Rights): boolean {
  for (const apiId in accessRights) if (Object.hasOwn(accessRights, apiId)) return false
  return true
}
