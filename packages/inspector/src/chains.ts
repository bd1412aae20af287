import type { ApiInfo, Gateway } from '@postern/core'
import type { TargetStates } from './target-states.ts'
import { withoutUser } from './masking.ts'
import type { ShownApi, ShownStep } from './shown.ts'

/** What happens at an API, in order, as `explain` says. */
export function chainOf(api: ApiInfo, gateway: Pick<Gateway, 'explain'>, states: TargetStates): ShownApi {
  const { definition } = api
  const { listenPath, endpoints, limits, upstream, keyless, maxBodyBytes, records } = definition
  const explained = gateway.explain('GET', listenPath)
  const hook = (name: string): ShownStep => {
    const row = explained.hooks.find((one) => one.hook === name)
    return { kind: 'hook', name, plugins: row?.plugins ?? [], why: row?.why ?? 'its plugins are not loaded' }
  }
  const check = (name: string, why: string): ShownStep => ({ kind: 'check', name, plugins: [], why })
  const rates = Object.entries(limits.endpoints).map(([key, { rate, per }]) => `${key}: ${rate} in ${per} s`)
  if (limits.api !== undefined) rates.unshift(`all callers: ${limits.api.rate} in ${limits.api.per} s`)
  return {
    id: api.id,
    name: api.name,
    listenPath,
    steps: [
      ...(Number.isFinite(maxBodyBytes) ? [check('body', `at most ${maxBodyBytes} bytes, else 413`)] : []),
      hook('pre'),
      hook('auth'),
      ...(keyless ? [] : [hook('postAuth'), check('key', 'active, and allowed at this API, method and path')]),
      ...(keyless && rates.length === 0
        ? []
        : [check('limits', [...rates, ...(keyless ? [] : ['rate and quota of the key'])].join('; '))]),
      { ...hook('endpoint'), plugins: [], why: count(Object.keys(endpoints).length, 'endpoint') },
      hook('post'),
      check('upstream', upstream === undefined ? 'the host application' : count(upstream.targets.length, 'target')),
      hook('response'),
      ...(records === undefined ? [] : [hook('analytics')]),
    ],
    endpoints: Object.entries(endpoints).map(([key, list]) => ({
      key,
      plugins: list.map(({ name, plugin }, i) => name ?? (named(plugin.name) ? plugin.name : `${key}[${i}]`)),
    })),
    limits: rates,
    upstream: {
      how: upstream === undefined ? 'host' : upstream.balance,
      targets: (upstream?.targets ?? []).map(({ url, weight }) => {
        const { healthy, breaker } = states.of(api.id, url)
        return { url: withoutUser(url), weight, healthy, breaker }
      }),
    },
  }
}

function named(name: string): boolean {
  return name !== '' && name !== 'plugin'
}

function count(n: number, what: string): string {
  return n === 0 ? 'none defined' : `${n} ${what}${n === 1 ? '' : 's'}`
}
