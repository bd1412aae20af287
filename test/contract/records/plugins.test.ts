import type { AnalyticsPlugin, AnalyticsRecord } from '@postern/core'
import { describe, expect, it } from 'vitest'
import { warningsDuring } from '../../support/warnings.ts'
import { connect, listenTo, run, settled, type Running } from '../harness.ts'

async function after(...analytics: readonly AnalyticsPlugin[]): Promise<Running> {
  const running = await run({ name: 'a', records: { detailed: true }, hooks: { analytics } })
  listenTo(running.gateway, 'recordDropped')
  await (await connect(running.port)).request('GET', '/x?y=1', ['User-Agent: test'])
  await settled()
  return running
}

describe('an analytics plugin', () => {
  it('may rewrite and empty every field', async () => {
    const emptied = {
      timestamp: new Date(0),
      expireAt: new Date(0),
      apiId: '',
      apiName: '',
      apiVersion: '',
      orgId: '',
      apiKey: '',
      alias: '',
      oauthId: '',
      tags: [],
      method: '',
      host: '',
      path: '',
      rawPath: '',
      originalPath: '',
      originalUrl: '',
      listenPath: '',
      trackPath: false,
      contentLength: 0,
      userAgent: '',
      clientAddress: '',
      responseCode: 0,
      code: '',
      upgraded: false,
      latency: { totalMs: 0, upstreamMs: 0, gatewayMs: 0, hooks: { analytics: expect.any(Number) as number } },
      network: { bytesIn: 0, bytesOut: 0 },
      rawRequest: '',
      rawResponse: '',
    }
    const names = Object.keys(emptied) as (keyof AnalyticsRecord)[]
    let seen: readonly string[] = []
    for (const nothing of [undefined, null]) {
      const { gateway } = await after((record) => {
        seen = Object.keys(record)
        for (const name of names) Object.assign(record, { [name]: nothing })
      })
      expect(gateway.records.list()).toEqual([emptied])
    }
    expect(seen.toSorted()).toEqual(names.toSorted())
    const { gateway } = await after((record) => {
      for (const name of names) Reflect.deleteProperty(record, name)
    })
    expect(gateway.records.list()).toEqual([emptied])
  })

  it('may add data, which sinks get as well', async () => {
    const added = { region: 'eu', extra: { list: [1, 'two', null] } }
    const batches: (readonly AnalyticsRecord[])[] = []
    const definition = {
      name: 'a',
      hooks: { analytics: [(record: AnalyticsRecord) => void Object.assign(record, added)] },
    }
    const { gateway, port } = await run(definition, { sinks: [(records) => void batches.push(records)] })
    await (await connect(port)).request('GET', '/')
    await settled()
    await gateway.close()
    const [first] = gateway.records.list()
    expect([first, batches]).toMatchObject([added, [[added]]])
    expect((first as unknown as typeof added).extra).not.toBe((batches[0]![0] as unknown as typeof added).extra)
  })

  it('drops the record with false, and no plugin behind it sees that', async () => {
    let seen = 0
    const { gateway } = await after(
      () => false,
      () => void (seen += 1),
    )
    expect([gateway.records.list(), gateway.records.dropped, seen]).toEqual([[], 0, 0])
  })

  it.each<[string, AnalyticsPlugin, string]>([
    [
      'a text where a number belongs',
      (record) => void Object.assign(record, { responseCode: '200' }),
      'responseCode is "200"; expected a number',
    ],
    ['a number where text belongs', (record) => void Object.assign(record, { path: 5 }), 'path is 5; expected text'],
    [
      'a date that is none',
      (record) => void record.timestamp.setTime(Number.NaN),
      'timestamp is an instance of Date; expected a Date',
    ],
    [
      'tags that are no texts',
      (record) => void Object.assign(record, { tags: ['a', 5] }),
      'tags is an array of 2; expected an array of text',
    ],
    [
      'no object of latencies',
      (record) => void Object.assign(record, { latency: 5 }),
      'latency is 5; expected an object',
    ],
    [
      'no number of milliseconds',
      (record) => void (record.latency.totalMs = Number.NaN),
      'latency.totalMs is NaN; expected a number',
    ],
    [
      'a function',
      (record) => void Object.assign(record, { more: () => 1 }),
      'more is the function more; expected JSON data',
    ],
  ])('that leaves %s loses the record and is told why', async (_, plugin, why) => {
    const running = await run({ name: 'a', hooks: { analytics: [plugin] } })
    const dropped = listenTo(running.gateway, 'recordDropped')
    await (await connect(running.port)).request('GET', '/')
    await settled()
    expect([running.gateway.records.list(), running.gateway.records.dropped]).toEqual([[], 1])
    expect(dropped.map(({ api, error }) => [api.name, error.code, error.message])).toEqual([
      ['a', 'PSTN_PLUGIN_BAD_RETURN', expect.stringContaining(why)],
    ])
  })

  it('is warned of by what it broke, where nobody listens', async () => {
    const fails = (): never => {
      throw new Error('cannot mask')
    }
    const { port } = await run({ name: 'a', hooks: { analytics: [fails] } })
    const warnings = await warningsDuring(async () => {
      await (await connect(port)).request('GET', '/')
      await settled()
    })
    expect(warnings).toEqual([expect.stringContaining('[PSTN_PLUGIN_THREW] a record of API "a": ')])
  })

  it('reaches no sink with what it broke', async () => {
    const batches: unknown[] = []
    const { gateway, port } = await run(
      {
        name: 'a',
        hooks: {
          analytics: [
            ({ path }) => {
              if (path === '/bad') throw new Error('cannot mask')
            },
          ],
        },
      },
      { sinks: [(records) => void batches.push(...records.map(({ path }) => path))] },
    )
    listenTo(gateway, 'recordDropped')
    const connection = await connect(port)
    for (const path of ['/good', '/bad', '/fine']) await connection.request('GET', path)
    await settled()
    await gateway.close()
    expect([batches, gateway.records.dropped, gateway.records.lost]).toEqual([['/good', '/fine'], 1, 0])
  })
})
