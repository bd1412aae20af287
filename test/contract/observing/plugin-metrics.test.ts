import { defineApi, deny } from '@postern/core'
import { pluginMetrics, type SendMetric } from '@postern/core/metrics'
import { describe, expect, it, onTestFinished } from 'vitest'
import { pluginFolder } from '../../support/plugin-folder.ts'
import { warningsDuring } from '../../support/warnings.ts'
import { run, settled, watchProcess } from '../harness.ts'

type Sent = Parameters<SendMetric>

function collect(): Sent[] {
  const sent: Sent[] = []
  onTestFinished(pluginMetrics((...metric) => void sent.push(metric)))
  return sent
}

describe('the metrics of a plugin', () => {
  it('are named kind, path and function, with .exec_time for the nanoseconds it took', async () => {
    const folder = pluginFolder({ 'auth/keys.mjs': "export const checkKey = () => ({ metadata: { token: 'ann' } })" })
    const { gateway, url } = await run(
      { name: 'orders', hooks: { auth: { functionName: 'checkKey', path: 'auth/keys.mjs' } } },
      { pluginsDirectory: folder },
    )
    await gateway.ready()
    const sent = collect()
    await fetch(url)
    const tags = { api: 'orders', hook: 'auth', plugin: 'auth/keys.mjs:checkKey', outcome: 'granted' }
    expect(sent).toEqual([
      ['AuthPlugin:auth/keys.mjs:checkKey', 1, 'count', tags],
      ['AuthPlugin:auth/keys.mjs:checkKey.exec_time', expect.any(Number), 'ns', tags],
    ])
    expect(Number.isInteger(sent[1]?.[1])).toBe(true)
    expect(sent[1]?.[1]).toBeGreaterThan(0)
  })

  it('have no path where the plugin stands in the definition, and the kind of every hook', async () => {
    const pass = (): undefined => undefined
    const { url } = await run(
      defineApi({
        name: 'orders',
        upstream: 'http://127.0.0.1:9',
        hooks: { pre: [pass], auth: { plugin: () => ({ metadata: { token: 'ann' } }), name: 'key' }, postAuth: [pass] },
        endpoints: { 'GET /{:id}': [pass, () => undefined, { plugin: () => deny(403, 'no'), name: 'stop' }] },
      }),
    )
    const sent = collect()
    await fetch(url)
    const counted = sent.filter(([, , unit]) => unit === 'count')
    expect(counted.map(([name, , , { outcome }]) => `${name} ${outcome}`)).toEqual([
      'PrePlugin::pass passed',
      'AuthPlugin::key granted',
      'PostAuthPlugin::pass passed',
      'EndpointPlugin::pass passed',
      'EndpointPlugin::GET /{:id}[1] passed',
      'EndpointPlugin::stop denied',
    ])
  })

  it('are not sent any more once they are stopped', async () => {
    const sent: Sent[] = []
    pluginMetrics((...metric) => void sent.push(metric))()
    const { url } = await run({ name: 'orders', hooks: { pre: [() => deny(403, 'no')] } })
    await fetch(url)
    expect(sent).toEqual([])
  })

  it.each<[string, () => void]>([
    [
      'throws',
      () => {
        throw new Error('statsd is away')
      },
    ],
    ['rejects', () => Promise.reject(new Error('statsd is away'))],
  ])('cost no request when their callback %s: it is warned about once', async (_case, send) => {
    const broken = watchProcess()
    onTestFinished(pluginMetrics(send))
    const { url } = await run({ name: 'orders', hooks: { pre: [() => deny(403, 'no')] } })
    const warnings = await warningsDuring(async () => {
      for (let i = 0; i < 2; i += 1) expect((await fetch(url)).status).toBe(403)
    }, 'pluginMetrics')
    expect(warnings).toEqual(['A callback of pluginMetrics threw Error: statsd is away.'])
    await settled()
    expect(broken).toEqual([])
  })
})
