import { setTimeout as sleep } from 'node:timers/promises'
import { deny, respond } from '@postern/core'
import { prometheus, type PrometheusMetrics, type PrometheusOptions } from '@postern/core/metrics'
import { describe, expect, it, onTestFinished } from 'vitest'
import { Connection, run, upstreamOfTest } from '../harness.ts'
import { parseExposition, type Parsed } from './parse-exposition.ts'

function counting(options?: PrometheusOptions): PrometheusMetrics & { readonly read: () => Parsed } {
  const metrics = prometheus(options)
  onTestFinished(() => metrics.close())
  return { ...metrics, read: () => parseExposition(metrics.text()) }
}

/** The number behind a name and its labels; undefined when there is none. */
function valueOf(parsed: Parsed, name: string, labels: Readonly<Record<string, string>> = {}): number | undefined {
  return parsed.samples.find(
    (sample) =>
      sample.name === name && Object.entries(labels).every(([label, value]) => sample.labels[label] === value),
  )?.value
}

describe('the text for Prometheus', () => {
  it('counts requests by api, method and status, and how long they took', async () => {
    const upstream = await upstreamOfTest()
    const { url } = await run({ name: 'orders', upstream: upstream.url })
    const metrics = counting()
    for (const method of ['GET', 'GET', 'POST']) await fetch(url, { method })
    const get = { api: 'orders', method: 'GET' }
    await expect.poll(() => valueOf(metrics.read(), 'postern_requests_total', { ...get, status: '200' })).toBe(2)
    const parsed = metrics.read()
    expect(valueOf(parsed, 'postern_requests_total', { method: 'POST', status: '200' })).toBe(1)
    expect(valueOf(parsed, 'postern_request_duration_seconds_count', get)).toBe(2)
    expect(valueOf(parsed, 'postern_request_duration_seconds_bucket', { ...get, le: '+Inf' })).toBe(2)
    expect(valueOf(parsed, 'postern_request_duration_seconds_sum', get)).toBeGreaterThan(0)
    expect(valueOf(parsed, 'postern_upstream_duration_seconds_count', { api: 'orders', outcome: 'answered' })).toBe(3)
    expect(valueOf(parsed, 'postern_requests_in_flight', { api: 'orders' })).toBe(0)
  })

  it('counts plugin calls by what became of them, and how long they took', async () => {
    const { gateway, url } = await run({
      name: 'orders',
      hooks: {
        pre: [
          { plugin: () => undefined, name: 'look' },
          {
            plugin: ({ path }) => (path === '/no' ? deny(403, 'no') : Promise.reject(new Error('broken'))),
            name: 'it',
          },
        ],
      },
    })
    gateway.on('pluginError', () => undefined)
    const metrics = counting()
    await fetch(`${url}/no`)
    await fetch(`${url}/broken`)
    const parsed = metrics.read()
    const calls = (plugin: string, outcome: string): number | undefined =>
      valueOf(parsed, 'postern_plugin_calls_total', { api: 'orders', hook: 'pre', plugin, outcome })
    expect([calls('look', 'passed'), calls('it', 'denied'), calls('it', 'failed')]).toEqual([2, 1, 1])
    expect(valueOf(parsed, 'postern_plugin_duration_seconds_count', { plugin: 'it' })).toBe(2)
  })

  it('counts what the gateway itself refused, by its code', async () => {
    const { url } = await run({ name: 'orders', authentication: { token: true } })
    const metrics = counting()
    await fetch(url)
    const labels = { api: 'orders', code: 'PSTN_CREDENTIAL_MISSING' }
    await expect.poll(() => valueOf(metrics.read(), 'postern_refusals_total', labels)).toBe(1)
  })

  it('counts requests that are under way', async () => {
    const { url } = await run({ name: 'orders', hooks: { pre: [() => sleep(100), () => respond(200, 'hello')] } })
    const metrics = counting()
    const answer = fetch(url)
    await expect.poll(() => valueOf(metrics.read(), 'postern_requests_in_flight')).toBe(1)
    await answer
    await expect.poll(() => valueOf(metrics.read(), 'postern_requests_in_flight')).toBe(0)
  })

  it('counts records that were dropped and records that were lost', async () => {
    const { gateway, url } = await run(
      { name: 'orders', hooks: { pre: [() => respond(200, 'hello')], analytics: [({ path }) => failAt(path)] } },
      { sinks: [() => Promise.reject(new Error('away'))], recordQueue: { flushMs: 1 } },
    )
    for (const event of ['recordDropped', 'recordsLost'] as const) gateway.on(event, () => undefined)
    const metrics = counting({ gateways: [gateway] })
    await fetch(`${url}/broken`)
    await fetch(`${url}/fine`)
    await expect.poll(() => valueOf(metrics.read(), 'postern_records_dropped_total')).toBe(1)
    await expect.poll(() => valueOf(metrics.read(), 'postern_records_lost_total')).toBe(1)
  })

  it('tells of the event loop when asked', async () => {
    const metrics = counting({ eventLoop: true })
    await sleep(50)
    const until = performance.now() + 100
    while (performance.now() < until);
    await sleep(50)
    const parsed = metrics.read()
    expect(valueOf(parsed, 'postern_event_loop_delay_seconds', { quantile: '1' })).toBeGreaterThan(0.05)
    expect(valueOf(parsed, 'postern_event_loop_delay_seconds_count')).toBeGreaterThan(0)
    expect(valueOf(counting().read(), 'postern_event_loop_delay_seconds_count')).toBeUndefined()
  })

  it('escapes what stands in labels', async () => {
    const name = 'a "name"\\with\nlines'
    const { url } = await run({ name: 'orders', hooks: { pre: [{ plugin: () => undefined, name }] } })
    const metrics = counting()
    await fetch(url)
    expect(metrics.text()).toContain('plugin="a \\"name\\"\\\\with\\nlines"')
    expect(valueOf(metrics.read(), 'postern_plugin_duration_seconds_count', { plugin: name })).toBe(1)
  })

  it('has one series for all methods clients make up', async () => {
    const { port } = await run({ name: 'orders', hooks: { pre: [() => respond(200, 'hello')] } })
    const metrics = counting()
    const connection = await Connection.open(port)
    for (const method of ['PROPFIND', 'MKCOL', 'LOCK']) await connection.request(method, '/')
    connection.hangUp()
    await expect.poll(() => valueOf(metrics.read(), 'postern_requests_total', { method: '_other' })).toBe(3)
  })

  it('counts together what comes beyond the series it keeps', async () => {
    const plugins = ['a', 'b', 'c', 'd'].map((name) => ({ plugin: () => undefined, name }))
    const { url } = await run({ name: 'orders', hooks: { pre: plugins } })
    const metrics = counting({ maxSeries: 2 })
    await fetch(url)
    const parsed = metrics.read()
    expect(valueOf(parsed, 'postern_plugin_duration_seconds_count', { plugin: 'a' })).toBe(1)
    expect(valueOf(parsed, 'postern_plugin_duration_seconds_count', { plugin: 'd' })).toBeUndefined()
    expect(valueOf(parsed, 'postern_plugin_duration_seconds_count', { plugin: '_other' })).toBe(2)
  })

  it('has a type and a help for everything, and ends with a line', async () => {
    const { gateway, url } = await run({ name: 'orders', hooks: { pre: [() => respond(200, 'hello')] } })
    const metrics = counting({ gateways: [gateway], eventLoop: true })
    await fetch(url)
    const { types, helps, samples } = metrics.read()
    for (const { name } of samples) {
      const family = name.replace(/_(?:bucket|sum|count)$/, '')
      expect([...types.keys()]).toContain(types.has(name) ? name : family)
    }
    expect([...helps.keys()]).toEqual([...types.keys()])
    expect(metrics.contentType).toBe('text/plain; version=0.0.4; charset=utf-8')
    expect(metrics.text().endsWith('\n')).toBe(true)
  })

  it('stops counting when it is closed', async () => {
    const { url } = await run({ name: 'orders', hooks: { pre: [() => respond(200, 'hello')] } })
    const metrics = prometheus()
    metrics.close()
    await fetch(url)
    expect(parseExposition(metrics.text()).samples).toEqual([])
  })

  it.each([
    { buckets: [1, 0.5] },
    { buckets: [Number.NaN] },
    { buckets: 5 },
    { maxSeries: 0 },
    { gateways: {} },
    { gateways: [undefined] },
    { gateways: [{}] },
    { eventLoop: 20 },
    { gateway: [] },
  ])('refuses %o', (options) => {
    expect(() => prometheus(options as unknown as PrometheusOptions)).toThrow(
      expect.objectContaining({ code: 'PSTN_OPTIONS_INVALID' }),
    )
  })
})

function failAt(path: string): undefined {
  if (path === '/broken') throw new Error('broken')
}
