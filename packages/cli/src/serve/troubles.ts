import { thrownAt } from './thrown-at.ts'
import type { Gateway } from '@postern/core'
import { messageOf, type Trouble } from './log.ts'

/** Tells of everything that goes wrong in a gateway, each time. */
export function watchTroubles(
  gateway: Pick<Gateway, 'on'>,
  plugins: string | URL | undefined,
  tell: (trouble: Trouble) => void,
): void {
  gateway.on('pluginError', ({ api, hook, plugin, error }) =>
    tell({
      event: 'pluginError',
      api: api.name,
      what: `${hook} plugin "${plugin}"`,
      message: messageOf(error),
      code: error.code,
      hook,
      plugin,
      ...thrownAt(error.cause, plugins),
    }),
  )
  gateway.on('upstreamError', ({ api, error }) =>
    tell({ event: 'upstreamError', api: api.name, what: 'upstream', message: messageOf(error) }),
  )
  gateway.on('storeError', ({ api, feature, outcome, error }) =>
    tell({ event: 'storeError', api: api.name, what: `store (${feature}, ${outcome})`, message: messageOf(error) }),
  )
  gateway.on('recordDropped', ({ api, error }) =>
    tell({ event: 'recordDropped', api: api.name, what: 'record', message: messageOf(error) }),
  )
  gateway.on('circuitBreaker', ({ api, target, state }) =>
    tell({ event: 'circuitBreaker', api: api.name, what: 'circuit breaker', message: `${target} is ${state}` }),
  )
  gateway.on('targetHealth', ({ api, target, healthy, reason }) => {
    const message = `${target} ${healthy ? 'is asked again' : 'is not asked any more'} (${reason})`
    tell({ event: 'targetHealth', api: api.name, what: 'upstream', message })
  })
}
