import { GatewayError, type GatewayErrorCode, isGatewayError } from '../errors.ts'
import type { AccessRight, LimitFields } from './access-right.ts'
import { checkUrl } from './url-pattern.ts'

/** What sessions and policies both say. */
interface Limited extends Pick<LimitFields, 'rate' | 'per'> {
  readonly accessRights: Readonly<Record<string, AccessRight>>
}

/** Refuses what could never mean anything, with every mistake: throws `code`; `what` is "The session" or the like. */
export function checkLimited(limited: Limited, what: string, code: GatewayErrorCode): void {
  const mistakes = [...mistakesIn(limited)]
  if (mistakes.length > 0) throw new GatewayError(code, mistakes.map((mistake) => `${what}'s ${mistake}.`).join(' '))
}

/** A rate needs its period. */
function* rateMistakes(limited: Limited): Iterable<string> {
  yield* rateMistake('', limited)
  for (const [api, { limit, endpoints }] of Object.entries(limited.accessRights)) {
    if (limit !== undefined) yield* rateMistake(`accessRights.${api}.limit.`, limit)
    for (const [i, { methods }] of endpoints.entries())
      for (const method of methods) yield* rateMistake(`accessRights.${api}.endpoints[${i}].`, method.limit)
  }
}

function* mistakesIn(limited: Limited): Iterable<string> {
  yield* rateMistakes(limited)
  for (const [api, { allowedUrls, endpoints }] of Object.entries(limited.accessRights)) {
    for (const [i, { url, methods }] of allowedUrls.entries())
      yield* pathMistakes(`accessRights.${api}.allowedUrls[${i}]`, 'url', url, methods)
    for (const [i, { path, methods }] of endpoints.entries()) {
      const names = methods.map(({ name }) => name)
      yield* pathMistakes(`accessRights.${api}.endpoints[${i}]`, 'path', path, names)
    }
  }
}

function* rateMistake(path: string, { rate, per }: Pick<LimitFields, 'rate' | 'per'>): Iterable<string> {
  if (rate <= 0 || per > 0) return
  yield `${path}rate is ${rate} ${per === 0 ? 'without per' : `with per ${per}`}; expected per, in seconds, above 0`
}

/** Patterns that no path and methods that no request has. */
function* pathMistakes(where: string, field: string, path: string, methods: readonly string[]): Iterable<string> {
  const parameter = /\/:(\w+)/.exec(path)?.[1]
  if (parameter !== undefined)
    yield `${where}.${field} has "/:${parameter}", which is text here; write "/{${parameter}}"`
  else yield* patternMistake(`${where}.${field}`, path)
  if (methods.length === 0) yield `${where}.methods is empty, so no request meets it; expected methods such as "GET"`
  if (methods.includes('*')) yield `${where}.methods has "*", which is no method; expected each by its name`
  const small = methods.find((name) => name !== name.toUpperCase())
  if (small !== undefined) yield `${where}.methods has "${small}"; expected "${small.toUpperCase()}"`
}

function* patternMistake(where: string, path: string): Iterable<string> {
  if (/^\w/.test(path)) {
    yield `${where} is ${JSON.stringify(path)}, which no path starts with; expected "/${path}"`
    return
  }
  try {
    checkUrl(path)
  } catch (error) {
    if (!isGatewayError(error)) throw error
    yield `${where}: ${error.message.replace(/\.$/, '')}`
  }
}
