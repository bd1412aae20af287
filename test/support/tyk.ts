import { translate } from '../../packages/core/src/definition/dialect.ts'
import type { TranslationContext } from '../../packages/core/src/definition/translation.ts'

type Json = Record<string, unknown>

/** Objects are merged; everything else replaces what is there. */
export function merged(base: unknown, over: unknown): unknown {
  const bothObjects = [base, over].every((it) => typeof it === 'object' && it !== null && !Array.isArray(it))
  if (!bothObjects) return over
  const result: Json = { ...(base as Json) }
  for (const [key, value] of Object.entries(over as Json)) result[key] = merged(result[key], value)
  return result
}

/** A keyless API with nothing else. */
export const classic = (...parts: readonly object[]): Json =>
  parts.reduce(merged, {
    name: 'orders',
    api_id: 'orders-1',
    org_id: 'acme',
    active: true,
    use_keyless: true,
    proxy: { listen_path: '/orders/', strip_listen_path: true, target_url: 'http://127.0.0.1:9000' },
    version_data: { not_versioned: true, versions: { Default: { name: 'Default', use_extended_paths: true } } },
  } as unknown) as Json

/** The same as OAS; parts are those of the extension. */
export const oas = (...parts: readonly object[]): Json => oasDocument({}, ...parts)

export const oasDocument = (document: object, ...parts: readonly object[]): Json =>
  merged(
    {
      openapi: '3.0.3',
      info: { title: 'orders', version: '1.0.0' },
      paths: { '/stock/{sku}': { get: { operationId: 'stock' } }, '/stock': { post: { operationId: 'add' } } },
      'x-tyk-api-gateway': parts.reduce(merged, {
        info: { name: 'orders', id: 'orders-1', orgId: 'acme', state: { active: true } },
        upstream: { url: 'http://127.0.0.1:9000' },
        server: { listenPath: { value: '/orders/', strip: true } },
        middleware: { global: { trafficLogs: { enabled: true } } },
      } as unknown),
    },
    document,
  ) as Json

/** What both become. */
export const native = {
  name: 'orders',
  id: 'orders-1',
  orgId: 'acme',
  listenPath: '/orders/',
  stripListenPath: true,
  upstream: { url: 'http://127.0.0.1:9000' },
}

export interface Translated {
  readonly input: unknown
  readonly origins: Readonly<Record<string, string>>
  readonly problems: readonly string[]
  readonly warnings: readonly string[]
  readonly active: boolean
}

/** A translation in a form that is easily compared: `path: message`. */
export function translated(document: unknown, context: Partial<TranslationContext> = {}): Translated {
  const { input, origins, problems, warnings, active } = translate(document, {
    named: () => false,
    bundles: {},
    pathMatching: 'whole',
    ...context,
  })
  const lines = (list: typeof problems): string[] => list.map(({ path, message }) => `${path}: ${message}`)
  return {
    input,
    origins: Object.fromEntries(origins),
    problems: lines(problems),
    warnings: lines(warnings),
    active,
  }
}
