import type { ApiInfo } from './api.ts'
import { parseDefinitions } from './definition/parse.ts'
import { GatewayError } from './errors.ts'
import { inPlace } from './loading/load-plugins.ts'
import type { Log, PluginContext } from './hooks.ts'

const nothing = (): void => undefined
const SILENT: Log = Object.freeze({ debug: nothing, info: nothing, warn: nothing, error: nothing })

/**
 * A context out of thin air, to call a plugin with in a test: a silent log, an empty state, a signal that never aborts,
 * and a `call` that rejects. Give what your plugin looks at.
 *
 * @example
 * const context = createContext<EndpointContext>({ params: { sku: '7' }, session: undefined })
 * expect(stock(createRequest('/stock/7'), context)).toEqual(respond(200, { sku: '7', left: 3 }))
 */
export function createContext<C extends PluginContext = PluginContext>(
  given: Omit<C, keyof PluginContext> & Partial<PluginContext> = {} as Omit<C, keyof PluginContext>,
): C {
  const api = testApi()
  const base: PluginContext = {
    api,
    config: api.definition.config,
    requestId: 'test',
    log: SILENT,
    state: {},
    signal: new AbortController().signal,
    call: () =>
      Promise.reject(
        new GatewayError('PSTN_CALL_INVALID', 'This context was made by createContext(); give it a call().'),
      ),
  }
  return { ...base, ...given } as C
}

function testApi(): ApiInfo {
  const { definitions } = parseDefinitions({ name: 'test' })
  return { id: 'test', orgId: '', name: 'test', definition: inPlace(definitions[0]!.draft), document: undefined }
}
