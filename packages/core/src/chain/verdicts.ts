import {
  describeUnquoted,
  GatewayError,
  type GatewayErrorCode,
  isGatewayError,
  publicMessage,
  publicStatus,
} from '../errors.ts'
import type { Maybe } from '../hooks.ts'
import { type Answer, refuse, toAnswer } from '../http/decision.ts'
import type { GatewayResponse } from '../http/response.ts'
import type { LoadedPlugin } from '../plugins/plugin.ts'
import { grantedSession, type Granted } from '../session/granted.ts'
import { maskKey } from '../session/key-scheme.ts'
import type { Exchange } from './exchange.ts'
import { exposedDecision } from './exposed-error.ts'
import { pluginFailure, reportFailure, type Verdict } from './run-plugin.ts'

/** An answer ends the chain, undefined goes on. */
export type Ended = GatewayResponse | undefined

/**
 * Every hook but `auth` and `analytics`: nothing passes, a decision answers, a failure is a 500. At `response` an answer takes
 * the place of the upstream's, of which nothing gets out then.
 */
export const passOrEnd: Verdict<Ended> = {
  returned(value, plugin, exchange) {
    if (value === undefined) {
      exchange.pluginOutcome = 'passed'
      return undefined
    }
    return (
      decided(value, plugin, exchange) ??
      badReturn(value, plugin, 'nothing, or a decision: respond(), deny(), a Response or { responseCode, ... }')
    )
  },
  failed: (error, plugin, exchange) => failedWith('PSTN_PLUGIN_THREW', error, plugin, exchange),
}

/**
 * `auth`: only a session lets the caller in. Whatever breaks while deciding who is calling, nobody gets in. Without
 * `nameless` the session has to name its caller: `metadata.token`.
 */
export function grantOrEnd(
  granted: (session: Granted, exchange: Exchange) => Maybe<Ended>,
  nameless = false,
): Verdict<Maybe<Ended>> {
  return {
    returned(value, plugin, exchange) {
      const answer = decided(value, plugin, exchange)
      if (answer !== undefined) return answer
      if (value === undefined || value === null) {
        warnOfNothing(plugin, exchange)
        exchange.pluginOutcome = 'denied'
        return refuseCaller('PSTN_SESSION_MISSING', exchange, plugin)
      }
      const session = grantedSession(value)
      if (session.token !== '' || nameless) {
        exchange.pluginOutcome = 'granted'
        return granted(session, exchange)
      }
      exchange.pluginOutcome = 'denied'
      const message = 'The session has no metadata.token; expected the unique id of the caller.'
      reportFailure(new GatewayError('PSTN_SESSION_MISSING', message), plugin, exchange)
      return refuseCaller('PSTN_SESSION_MISSING', exchange, plugin)
    },
    failed: (error, plugin, exchange) => failedWith('PSTN_AUTH_FAILED', error, plugin, exchange),
  }
}

/** `analytics`: what becomes of the record. */
export const keepOrDrop: Verdict<'keep' | 'drop' | 'failed'> = {
  returned(value, plugin, exchange) {
    if (value !== undefined && value !== false) return badReturn(value, plugin, 'nothing, or false to drop the record')
    exchange.pluginOutcome = value === false ? 'dropped' : 'passed'
    return value === false ? 'drop' : 'keep'
  },
  failed(error, plugin, exchange) {
    exchange.pluginOutcome = 'failed'
    dropRecord(pluginFailure(error, plugin), exchange)
    return 'failed'
  },
}

/** A record that could not be masked or copied is not stored; it is counted and reported. */
export function dropRecord(error: GatewayError, { api }: Exchange): void {
  api.services.records.drop()
  api.services.events.emit('recordDropped', { api: api.info, error })
}

/** The answer a failure of ours becomes: the status and the fixed sentence of its code. */
export function errorAnswer(code: GatewayErrorCode, exchange: Exchange): GatewayResponse {
  exchange.code = code
  const status = publicStatus(code)
  const contentType = exchange.request.headers.get('content-type')
  const response = refuse(status, publicMessage(code), contentType, exchange.api.definition.maxBufferedBytes)
  // A 401 has to say how to come in (RFC 9110, section 15.5.2).
  if (status === 401) response.headers.set('www-authenticate', 'Bearer')
  // And a 426 what would have been understood (RFC 6455 4.4).
  if (code === 'PSTN_UPGRADE_REQUIRED') response.headers.set('sec-websocket-version', '13')
  exchange.response = response
  return response
}

/** The answer to a request that was cancelled: by its client, who will not see it, or because its time is up. */
export function cancelledAnswer(exchange: Exchange): GatewayResponse {
  const { reason } = exchange.cancellation
  return errorAnswer(isGatewayError(reason) ? reason.code : 'PSTN_CLIENT_CLOSED', exchange)
}

function decided(value: unknown, plugin: LoadedPlugin, exchange: Exchange): Ended {
  const { request, api } = exchange
  const answer = toAnswer(value, () => request.headers.get('content-type'), api.definition.maxBufferedBytes)
  if (answer === undefined) return undefined
  exchange.pluginOutcome = answer.refusal === undefined ? 'answered' : 'denied'
  if (answer.refusal !== undefined) announceRefusal(answer, plugin, exchange)
  return answer.response
}

function failedWith(
  code: 'PSTN_PLUGIN_THREW' | 'PSTN_AUTH_FAILED',
  error: unknown,
  plugin: LoadedPlugin,
  exchange: Exchange,
): GatewayResponse {
  const decision = exposedDecision(error)
  const exposed = decision === undefined ? undefined : attempt(() => decided(decision, plugin, exchange))
  if (exposed !== undefined) {
    if (isGatewayError(error)) exchange.code = error.code
    return exposed
  }
  exchange.pluginOutcome = 'failed'
  reportFailure(pluginFailure(error, plugin), plugin, exchange)
  return errorAnswer(code, exchange)
}

/** A denial, as documented; but nobody writes it on purpose without a word. */
function warnOfNothing(plugin: LoadedPlugin, { api }: Exchange): void {
  api.services.events.warn(
    `nothing ${api.info.id}`,
    `The auth plugin "${plugin.name}" of API "${api.info.name}" returned nothing, so its caller was refused with 403. Return a session to let callers in, deny(...) to refuse them. (warned once)`,
  )
}

/** Nobody is let in, for the reason `code`: the answer of `told`, and the event. `plugin` when it was a plugin's doing. */
export function refuseCaller(
  code: GatewayErrorCode,
  exchange: Exchange,
  plugin?: LoadedPlugin,
  told: GatewayErrorCode = code,
): GatewayResponse {
  const response = errorAnswer(told, exchange)
  exchange.code = code
  announceRefusal({ response, refusal: publicMessage(told) }, plugin, exchange, code)
  return response
}

function announceRefusal(
  { response, refusal }: Answer,
  plugin: LoadedPlugin | undefined,
  exchange: Exchange,
  code?: GatewayErrorCode,
): void {
  const { request, api } = exchange
  api.services.events.emit('authFailure', {
    api: api.info,
    hook: plugin?.hook ?? 'auth',
    plugin: plugin?.name ?? 'token',
    key: maskedCredential(exchange),
    code,
    status: response.status,
    message: refusal ?? '',
    method: request.method,
    path: request.path,
    clientAddress: request.clientAddress,
  })
}

function badReturn(value: unknown, plugin: LoadedPlugin, expected: string): never {
  throw new GatewayError(
    'PSTN_PLUGIN_BAD_RETURN',
    `The ${plugin.hook} plugin "${plugin.name}" returned ${describeUnquoted(value)}; expected ${expected}.`,
  )
}

/** A decision made of somebody else's error may itself be invalid; then the error is an ordinary failure. */
function attempt<T>(make: () => T): T | undefined {
  try {
    return make()
  } catch {
    return undefined
  }
}

/** Whose key it was, as far as anybody knows by now. */
function maskedCredential({ caller, credential, api }: Exchange): string {
  if (caller !== undefined) return caller.masked
  if (typeof credential !== 'object') return ''
  return maskKey(api.services.store.keys.idsOf(credential.key, api.info.orgId)[0])
}
