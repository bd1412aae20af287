import type { Decision } from '../http/decision.ts'
import type { GatewayRequest } from '../http/request.ts'
import type { GatewayResponse } from '../http/response.ts'
import type { Maybe } from '../hooks.ts'

/**
 * Sends a request and brings back the answer, head first, body as a stream. Rejects with a `GatewayError` for what the
 * network did; anything else it throws counts as a bug. A WHATWG `Response` will do, so `fetch` makes a forwarder.
 *
 * @example
 * createGateway(definition, { forward: () => respond(200, 'pong') }) // the whole mock
 */
export type Forwarder = (request: GatewayRequest) => Maybe<GatewayResponse | Decision>
