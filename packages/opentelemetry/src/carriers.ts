import type { TextMapGetter, TextMapSetter } from '@opentelemetry/api'
import type { GatewayRequest } from '@postern/core'

/** Reads what a client says of the trace it is in. */
export const RECEIVED: TextMapGetter<GatewayRequest> = {
  keys: ({ headers }) => [...new Set([...headers].map(([name]) => name))],
  get: ({ headers }, name) => {
    const values = headers.getAll(name)
    return values.length < 2 ? values[0] : values
  },
}

/** Writes into a request that is about to leave what its receiver is to say of the trace. */
export const LEAVING: TextMapSetter<GatewayRequest> = {
  set: ({ headers }, name, value) => headers.set(name, value),
}
