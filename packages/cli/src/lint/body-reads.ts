import type { ApiInfo } from '@postern/core'
import type { Lint, Linted, Remark } from './lint.ts'

/**
 * Response plugins that wait for the end of a body which has none: the client of an event stream sees nothing until the
 * stream is over, and then an error where it was long.
 */
export const bodyReadOnEventStream: Lint = {
  id: 'body-read-on-event-stream',
  severity: 'warning',
  run: ({ apis }: Linted) => apis.filter(streams).flatMap((api) => readers(api, STREAMED)),
}

/** The same where nothing is known of the upstream. */
export const bodyReadUnasked: Lint = {
  id: 'body-read-unasked',
  severity: 'hint',
  run: ({ apis }: Linted) => apis.filter((api) => !streams(api)).flatMap((api) => readers(api, UNKNOWN)),
}

/**
 * Response plugins that parse what is not there. HEAD, 204 and 304 have no body, and a browser that asks again with a validator
 * gets 304: nobody sees the error while the plugin is written.
 */
export const jsonOfNoBody: Lint = {
  id: 'json-of-no-body',
  severity: 'warning',
  run: ({ apis }: Linted) => apis.flatMap((api) => responsePlugins(api, parsesAll, NO_BODY)),
}

const NO_BODY =
  'parses every answer as JSON, and breaks on those without a body, to HEAD as well as 204 and 304; ask response.hasBody first'

/** By the name of its first parameter: what else has a `json()` is its own affair. */
function parsesAll(source: string): boolean {
  const [, response] = FIRST_PARAMETER.exec(source) ?? []
  return response !== undefined && source.includes(`${response}.json`) && !source.includes('hasBody')
}

const FIRST_PARAMETER = /^(?:async\b\s*)?(?:function\b)?[\s*]*[\w$]*\s*\(?\s*([\w$]+)/

const STREAMED = 'reads whole bodies, and the document says that this API answers with text/event-stream'
const UNKNOWN = 'reads whole bodies without a look at content-type: an event stream would never reach the client'

function readers(api: ApiInfo, what: string): Remark[] {
  const message = `${what}; look first, or edit with response.transform()`
  return responsePlugins(api, (source) => READS.test(source) && !ASKS.test(source), message)
}

/** A remark for each whose source is like that. */
function responsePlugins(api: ApiInfo, isLike: (source: string) => boolean, message: string): Remark[] {
  return api.definition.hooks.response.flatMap(({ plugin }, i) =>
    isLike(Function.prototype.toString.call(plugin)) ? [{ api, path: `hooks.response[${i}]`, message }] : [],
  )
}

const READS = /\.(?:text|json|bytes)\s*\(\s*\)/
const ASKS = /content-type/i

/** Whether an OpenAPI document of the API has an answer that is an event stream. */
function streams({ document }: ApiInfo): boolean {
  return /"text\/event-stream[";]/.test(JSON.stringify(document?.['paths']) ?? '')
}
