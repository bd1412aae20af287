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

const STREAMED = 'reads whole bodies, and the document says that this API answers with text/event-stream'
const UNKNOWN = 'reads whole bodies without a look at content-type: an event stream would never reach the client'

function readers(api: ApiInfo, what: string): Remark[] {
  return api.definition.hooks.response.flatMap(({ plugin }, i) => {
    const source = Function.prototype.toString.call(plugin)
    if (!READS.test(source) || ASKS.test(source)) return []
    return [{ api, path: `hooks.response[${i}]`, message: `${what}; look first, or edit with response.transform()` }]
  })
}

const READS = /\.(?:text|json|bytes)\s*\(\s*\)/
const ASKS = /content-type/i

/** Whether an OpenAPI document of the API has an answer that is an event stream. */
function streams({ document }: ApiInfo): boolean {
  return /"text\/event-stream[";]/.test(JSON.stringify(document?.['paths']) ?? '')
}
