import { describe, GatewayError } from '../errors.ts'

/** Kinds of objects that JSON turns into `{}` or into their insides, and what their author most likely meant. */
const NO_DATA: readonly (readonly [is: (value: object) => boolean, meant: string])[] = [
  [(value) => 'then' in value && typeof value.then === 'function', 'await it first'],
  [
    (value) => 'pipe' in value && typeof value.pipe === 'function',
    'answer with new Response(stream) or use setBody(stream)',
  ],
  [(value) => value instanceof Response, 'return the Response itself, or its await response.json()'],
  [(value) => value instanceof ReadableStream, 'answer with new Response(stream)'],
  [(value) => value instanceof ArrayBuffer, 'wrap it: new Uint8Array(buffer)'],
  [(value) => value instanceof URLSearchParams, 'use String(params)'],
  [(value) => value instanceof Map || value instanceof Headers, 'use Object.fromEntries(...)'],
  [(value) => value instanceof Set, 'use [...set]'],
  [(value) => value instanceof Error, 'use error.message'],
  [(value) => value instanceof Blob || value instanceof FormData, 'answer with new Response(body)'],
]

/** An object as JSON text. What is no data throws `PSTN_VALUE_INVALID` and says what was probably meant. */
export function jsonText(value: object): string {
  const meant = NO_DATA.find(([is]) => is(value))?.[1]
  if (meant !== undefined)
    throw new GatewayError('PSTN_VALUE_INVALID', `${describe(value)} cannot be sent as JSON; ${meant}.`)
  let text: string | undefined
  try {
    text = JSON.stringify(value)
  } catch (cause) {
    throw new GatewayError('PSTN_VALUE_INVALID', `${describe(value)} cannot be sent as JSON: ${describe(cause)}.`, {
      cause,
    })
  }
  if (text === undefined)
    throw new GatewayError('PSTN_VALUE_INVALID', `${describe(value)} has a toJSON that gives nothing.`)
  return text
}
