import { once } from 'node:events'
import { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import type { AnalyticsRecord, Gateway } from '@postern/core'
import { afterEach, describe, expect, it } from 'vitest'
import { closeAll } from '../support/cleanup.ts'
import { applications, frameworks, hosts } from '../support/hosts.ts'
import { RawClient } from '../support/raw-client.ts'
import { listen } from '../support/server.ts'
import { readRequest, startUpstream } from '../support/upstream.ts'
import { messageOf, openWebSocket, webSocketUpstream } from '../support/websocket.ts'

afterEach(closeAll)

async function recordOf(gateway: Gateway): Promise<AnalyticsRecord> {
  await expect.poll(() => gateway.records.list()).toHaveLength(1)
  return gateway.records.list()[0]!
}

const textOf = (base64: string): string => Buffer.from(base64, 'base64').toString('latin1')
const bodyOf = (base64: string): string => textOf(base64).split('\r\n\r\n').slice(1).join('\r\n\r\n')

const LONG = '0123456789'.repeat(20_000)

describe.each(hosts)('%s', (_, mount) => {
  it('counts the bytes of both bodies, and of a client that leaves only those that were sent', async () => {
    const upstream = await startUpstream((res, { target }) => {
      if (target === '/whole') res.end(LONG)
      else res.write('first')
    })
    const { url, port, gateway } = await mount({ name: 'a', upstream: upstream.url })
    await (await fetch(`${url}/whole`, { method: 'POST', body: LONG })).text()
    const client = new RawClient(port)
    client.write('GET /part HTTP/1.1\r\nHost: a\r\n\r\n')
    await client.until('first')
    client.socket.destroy()
    await expect.poll(() => gateway.records.list()).toHaveLength(2)
    expect(gateway.records.list().map(({ responseCode, network }) => [responseCode, network])).toEqual([
      [200, { bytesIn: LONG.length, bytesOut: LONG.length }],
      [499, { bytesIn: 0, bytesOut: 5 }],
    ])
  })

  it('records an answer that was cut with what it began with and why it was cut', async () => {
    const upstream = await listen((__, res) => {
      res.write('first')
      setTimeout(() => res.destroy(), 20)
    })
    const { url, gateway } = await mount({ name: 'a', upstream: upstream.url, records: { detailed: true } })
    gateway.on('upstreamError', () => undefined)
    await expect(fetch(url).then((answer) => answer.text())).rejects.toThrow('terminated')
    const record = await recordOf(gateway)
    expect([record.responseCode, record.code, record.network.bytesOut, bodyOf(record.rawResponse)]).toEqual([
      200,
      'PSTN_UPSTREAM_BROKE',
      5,
      'first',
    ])
  })

  it('makes one record of a WebSocket session, at its end, with all its bytes', async () => {
    const upstream = await webSocketUpstream()
    const { url, gateway } = await mount(
      { name: 'a', upstream: upstream.url, records: { detailed: true } },
      { upgrade: true },
    )
    const webSocket = await openWebSocket(`${url}/chat`)
    webSocket.send('hello')
    expect(await messageOf(webSocket)).toBe('hello')
    await sleep(30)
    expect(gateway.records.list()).toEqual([])
    webSocket.close()
    await once(webSocket, 'close')
    const { upgraded, responseCode, latency, network, path, rawRequest } = await recordOf(gateway)
    expect([upgraded, responseCode, path, rawRequest]).toEqual([true, 101, '/chat', ''])
    expect(latency.totalMs).toBeGreaterThan(25)
    // A frame has two bytes more than its text, and four of a mask where a client sends it.
    expect(network).toEqual({ bytesIn: 11 + 6, bytesOut: 7 + 2 })
  })
})

describe.each(applications)('%s behind the gateway', (_, mount) => {
  it('is the upstream: asked until its answer is out, and its bodies are nobody else’s', async () => {
    const { url, gateway } = await mount(
      { name: 'a', hooks: { pre: [() => undefined] } },
      { route: async () => sleep(20).then(() => ({ body: 'slow' })) },
    )
    expect(await (await fetch(url, { method: 'POST', body: 'sent' })).text()).toBe('slow')
    const { latency, network, host, contentLength } = await recordOf(gateway)
    expect(latency.upstreamMs).toBeGreaterThan(15)
    expect([network, host, contentLength]).toEqual([{ bytesIn: 0, bytesOut: 0 }, new URL(url).host, 4])
  })

  it.each([
    ['short', 'sent'],
    ['long', LONG],
  ])('is recorded word for word with a %s body, and reads and writes as ever', async (__, body) => {
    const { url, gateway } = await mount(
      { name: 'a', records: { detailed: true } },
      {
        route: async (req) => {
          const read = await readRequest(req)
          return { status: 201, headers: { 'x-route': 'yes' }, body: `read ${read.body.length}` }
        },
      },
    )
    const answer = await fetch(`${url}/x`, { method: 'POST', body })
    expect([answer.status, answer.headers.get('x-route'), await answer.text()]).toEqual([
      201,
      'yes',
      `read ${body.length}`,
    ])
    const { rawRequest, rawResponse, network } = await recordOf(gateway)
    expect([bodyOf(rawRequest), bodyOf(rawResponse)]).toEqual([body.slice(0, 65_536), `read ${body.length}`])
    expect(textOf(rawRequest)).toMatch(/^POST \/x HTTP\/1\.1\r\n/)
    expect(textOf(rawResponse)).toMatch(/^HTTP\/1\.1 201 Created\r\n[^]*x-route: yes/i)
    expect(network.bytesOut).toBe(`read ${body.length}`.length)
  })

  it('is recorded word for word where it answers with a stream, and with nothing', async () => {
    const { url, gateway } = await mount(
      { name: 'a', records: { detailed: true } },
      {
        route: ({ url: target }) => (target === '/' ? { status: 204 } : { body: Readable.from(['first', ' second']) }),
      },
    )
    const answers = [await fetch(`${url}/stream`), await fetch(url)]
    expect(await Promise.all(answers.map((answer) => answer.text()))).toEqual(['first second', ''])
    await expect.poll(() => gateway.records.list()).toHaveLength(2)
    const found = gateway.records
      .list()
      .map(({ rawResponse }) => [textOf(rawResponse).slice(9, 12), bodyOf(rawResponse)])
    expect(found.toSorted(([a = ''], [b = '']) => a.localeCompare(b))).toEqual([
      ['200', 'first second'],
      ['204', ''],
    ])
  })

  it('is shown a body that had arrived before the gateway was asked', async () => {
    const { port, gateway } = await mount(
      { name: 'a', records: { detailed: true }, hooks: { pre: [() => sleep(30)] } },
      { route: async (req) => ({ body: `read ${(await readRequest(req)).body.length}` }) },
    )
    const client = new RawClient(port)
    client.write('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nat on')
    await sleep(50)
    client.write('ce...')
    expect((await client.answer()).body).toBe('read 10')
    expect(bodyOf((await recordOf(gateway)).rawRequest)).toBe('at once...')
  })
})

describe.each(frameworks)('%s with a parser above the gateway', (_, mount) => {
  it('is recorded with the body the parser has read', async () => {
    const { url, gateway } = await mount(
      { name: 'a', records: { detailed: true } },
      { parser: 'json', route: (__, body) => ({ body: JSON.stringify(body) }) },
    )
    const sent = { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"a":1}' }
    expect(await (await fetch(url, sent)).text()).toBe('{"a":1}')
    const { rawRequest, rawResponse } = await recordOf(gateway)
    expect([bodyOf(rawRequest), bodyOf(rawResponse)]).toEqual(['{"a":1}', '{"a":1}'])
  })
})
