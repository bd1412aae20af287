import {
  describe,
  GatewayError,
  type GatewayErrorCode,
  isGatewayError,
  publicMessage,
  publicStatus,
} from '../errors.ts'
import { type Answer, refuse, toAnswer } from '../http/decision.ts'
import type { GatewayResponse } from '../http/response.ts'
import type { LoadedPlugin } from '../plugins/plugin.ts'
import { parseSession } from '../session/session.ts'
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
    if (value === undefined) return undefined
    return decided(value, plugin, exchange) ?? badReturn(value, plugin, 'nothing, or a decision')
  },
  failed: (error, plugin, exchange) => failedWith('PSTN_PLUGIN_THREW', error, plugin, exchange),
}

/** `auth`: only a session lets the caller in. Whatever breaks while deciding who is calling, nobody gets in. */
export const grantOrEnd: Verdict<Ended> = {
  returned(value, plugin, exchange) {
    const answer = decided(value, plugin, exchange)
    if (answer !== undefined) return answer
    if (value === undefined || value === null) {
      warnOfNothing(plugin, exchange)
      return refusedCaller(plugin, exchange)
    }
    try {
      exchange.session = parseSession(value)
      return undefined
    } catch (error) {
      if (!(error instanceof GatewayError) || error.code !== 'PSTN_SESSION_MISSING') throw error
      reportFailure(error, plugin, exchange)
      return refusedCaller(plugin, exchange)
    }
  },
  failed: (error, plugin, exchange) => failedWith('PSTN_AUTH_FAILED', error, plugin, exchange),
}

/** `analytics`: what becomes of the record. */
export const keepOrDrop: Verdict<'keep' | 'drop' | 'failed'> = {
  returned(value, plugin) {
    if (value === undefined) return 'keep'
    return value === false ? 'drop' : badReturn(value, plugin, 'nothing, or false to drop the record')
  },
  failed(error, plugin, exchange) {
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
  return refuse(
    publicStatus(code),
    publicMessage(code),
    exchange.request.headers.get('content-type'),
    exchange.api.definition.maxBufferedBytes,
  )
}

/** The answer to a request that was cancelled: by its client, who will not see it, or because the gateway is closing. */
export function cancelledAnswer(exchange: Exchange): GatewayResponse {
  const { reason } = exchange.cancellation
  return isGatewayError(reason) && reason.code === 'PSTN_CLOSED'
    ? errorAnswer('PSTN_CLOSED', exchange)
    : errorAnswer('PSTN_CLIENT_CLOSED', exchange)
}

function decided(value: unknown, plugin: LoadedPlugin, exchange: Exchange): Ended {
  const { request, api } = exchange
  const answer = toAnswer(value, () => request.headers.get('content-type'), api.definition.maxBufferedBytes)
  if (answer === undefined) return undefined
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
  if (exposed !== undefined) return exposed
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

function refusedCaller(plugin: LoadedPlugin, exchange: Exchange): GatewayResponse {
  const response = errorAnswer('PSTN_SESSION_MISSING', exchange)
  announceRefusal(
    { response, refusal: publicMessage('PSTN_SESSION_MISSING') },
    plugin,
    exchange,
    'PSTN_SESSION_MISSING',
  )
  return response
}

function announceRefusal(
  { response, refusal }: Answer,
  plugin: LoadedPlugin,
  exchange: Exchange,
  code?: GatewayErrorCode,
): void {
  const { request, api } = exchange
  api.services.events.emit('authFailure', {
    api: api.info,
    hook: plugin.hook,
    plugin: plugin.name,
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
    `The ${plugin.hook} plugin "${plugin.name}" returned ${describe(value)}; expected ${expected}.`,
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
