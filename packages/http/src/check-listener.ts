import { describe, GatewayError, isFunction } from '@postern/core/host'

/** What cannot be called would end the process with the first request. */
export function checkListener(listener: unknown, options: unknown): void {
  if (isFunction(listener)) return
  throw new GatewayError(
    'PSTN_OPTIONS_INVALID',
    `createServer was given ${describe(listener)}; expected a gateway, an Express app or another function (req, res); ${hintFor(listener, options)}.`,
  )
}

function hintFor(listener: unknown, options: unknown): string {
  if (isFunction(options)) return 'the listener comes first: createServer(listener, options)'
  if (typeof listener !== 'object' || listener === null) return 'write createServer(gateway) or createServer(app)'
  if (Array.isArray(listener)) return 'make a gateway of definitions: createGateway(definitions)'
  return HINTS.find(([keys]) => keys.some((key) => key in listener))?.[1] ?? 'write createServer(gateway)'
}

/** What people put in its place, told apart by a key it has. */
const HINTS: readonly (readonly [keys: readonly string[], hint: string])[] = [
  [['callback'], 'of a Koa app pass app.callback()'],
  [['then'], 'it is a promise: await it'],
  [
    ['name', 'listenPath', 'upstream', 'hooks', 'endpoints', 'x-tyk-api-gateway', 'api_id'],
    'make a gateway of a definition: createGateway(definition)',
  ],
]
