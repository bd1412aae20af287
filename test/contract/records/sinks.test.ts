import { createWriteStream } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough, Writable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  type AnalyticsRecord,
  type ApiDefinitionInput,
  type GatewayOptions,
  jsonLines,
  type RecordSink,
  respond,
} from '@postern/core'
import { createCore } from '@postern/core/host'
import type { HttpGateway } from '@postern/http'
import { describe, expect, it, vi } from 'vitest'
import { warningsDuring } from '../../support/warnings.ts'
import { connect, listenTo, run, settled } from '../harness.ts'
import { hostCall } from '../../support/host-call.ts'

const DEFINITION: ApiDefinitionInput = { name: 'a', hooks: { pre: [() => respond(200, 'x')] } }

/** A gateway without a socket; `ask` makes requests, for `/0`, `/1` and so on, whose answers are out. */
function inCore(
  options: GatewayOptions,
  definition = DEFINITION,
): { readonly gateway: Pick<HttpGateway, 'records' | 'on' | 'close'>; readonly ask: (count?: number) => void } {
  const core = createCore(definition, options)
  let next = 0
  return {
    gateway: core.facade,
    ask: (count = 1) => {
      for (let i = 0; i < count; i += 1) {
        const target = `/${next}`
        next += 1
        const accepted = core.accept(hostCall(target))
        void accepted?.answer()
        accepted?.conclude(200)
      }
    },
  }
}

/** A sink that keeps what it gets, in batches. */
function collecting(): { readonly sink: RecordSink; readonly batches: AnalyticsRecord[][] } {
  const batches: AnalyticsRecord[][] = []
  return { batches, sink: { write: (records) => void batches.push([...records]) } }
}

const pathsOf = (batches: readonly (readonly AnalyticsRecord[])[]): string[] => batches.flat().map(({ path }) => path)

describe('a sink', () => {
  it('gets what the memory gets, in order and in batches, and not while the request runs', async () => {
    const { sink, batches } = collecting()
    const { gateway, ask } = inCore({ sinks: [sink], recordQueue: { batchSize: 3, flushMs: 10 } })
    ask(7)
    expect(batches).toEqual([])
    await expect.poll(() => batches.map((batch) => batch.length)).toEqual([3, 3, 1])
    expect(batches.flat()).toEqual(gateway.records.list())
    expect([gateway.records.lost, gateway.records.dropped]).toEqual([0, 0])
  })

  it('may be a function, and take its time: it gets the next batch when it is done', async () => {
    const batches: (readonly AnalyticsRecord[])[] = []
    let inside = 0
    const { ask } = inCore({
      recordQueue: { batchSize: 2, flushMs: 1 },
      sinks: [
        async (records) => {
          inside += 1
          expect(inside).toBe(1)
          await sleep(5)
          inside -= 1
          batches.push(records)
        },
      ],
    })
    ask(6)
    await expect.poll(() => pathsOf(batches)).toEqual(['/0', '/1', '/2', '/3', '/4', '/5'])
  })

  it('cannot change what other sinks and the memory have', async () => {
    const { sink, batches } = collecting()
    const vandal = (records: readonly AnalyticsRecord[]): void => {
      for (const record of records) {
        record.path = '/changed'
        record.tags.push('changed')
        record.timestamp.setTime(0)
        record.latency.hooks.pre = -1
        record.network.bytesIn = -1
      }
      ;(records as AnalyticsRecord[]).length = 0
    }
    const { gateway, ask } = inCore({ sinks: [vandal, sink, vandal] })
    ask()
    await gateway.close()
    vandal(gateway.records.list())
    for (const [record] of [...batches, gateway.records.list()]) {
      expect([record!.path, record!.tags, record!.latency.hooks.pre === -1, record!.network.bytesIn]).toEqual([
        '/0',
        [],
        false,
        0,
      ])
      expect(record!.timestamp.getTime()).toBeGreaterThan(0)
    }
  })

  it('outlives a reload', async () => {
    const { sink, batches } = collecting()
    const closed = vi.fn<() => void>()
    const { gateway, port } = await run(DEFINITION, { sinks: [{ ...sink, close: closed }] })
    const connection = await connect(port)
    await connection.request('GET', '/before')
    await gateway.reload({ ...DEFINITION, name: 'b' })
    await connection.request('GET', '/after')
    await settled()
    expect(closed).not.toHaveBeenCalled()
    await gateway.close()
    expect(batches.flat().map(({ apiName, path }) => [apiName, path])).toEqual([
      ['a', '/before'],
      ['b', '/after'],
    ])
    expect(closed).toHaveBeenCalledOnce()
  })
})

describe('a sink that fails', () => {
  it.each([
    [
      'throws',
      () => {
        throw new Error('disk full')
      },
    ],
    ['rejects', () => Promise.reject(new Error('disk full'))],
  ])('because it %s loses that batch and gets the next', async (_, fail) => {
    const { sink, batches } = collecting()
    let failing = true
    const { gateway, ask } = inCore({
      recordQueue: { flushMs: 1 },
      sinks: [{ name: 'disk', write: (records) => (failing ? fail() : sink.write(records)) }],
    })
    const losses = listenTo(gateway as HttpGateway, 'recordsLost')
    ask(3)
    await expect.poll(() => losses).toHaveLength(1)
    expect(losses).toMatchObject([{ sink: 'disk', count: 3, reason: 'failed', error: { code: 'PSTN_SINK_FAILED' } }])
    expect([losses[0]?.error?.message, losses[0]?.error?.cause]).toEqual([
      'The record sink "disk" failed: Error: disk full.',
      new Error('disk full'),
    ])
    failing = false
    ask(1)
    await gateway.close()
    expect([pathsOf(batches), gateway.records.lost, gateway.records.list().length]).toEqual([['/3'], 3, 4])
  })

  it('does no harm to another one', async () => {
    const { sink, batches } = collecting()
    const { gateway, ask } = inCore({
      sinks: [() => Promise.reject(new Error('down')), () => new Promise(() => undefined), sink],
      recordQueue: { flushMs: 1 },
    })
    listenTo(gateway as HttpGateway, 'recordsLost')
    ask(5)
    await expect.poll(() => pathsOf(batches)).toHaveLength(5)
  })

  it('is warned about once where nobody listens', async () => {
    const warnings = await warningsDuring(async () => {
      const { gateway, ask } = inCore({ sinks: [{ name: 'disk', write: () => Promise.reject(new Error('full')) }] })
      ask(2)
      await gateway.close()
    })
    expect(warnings).toEqual([
      '(once; gateway.on(\'recordsLost\', ...) sees all) the record sink "disk" lost 2 records (failed): The record sink "disk" failed: Error: full.',
    ])
  })
})

describe('a sink that stands still', () => {
  const stopped = (): Promise<void> => new Promise(() => undefined)

  it.each([
    ['drop-oldest', ['/0', '/1', '/17', '/18', '/19']],
    ['drop-newest', ['/0', '/1', '/2', '/3', '/4']],
  ] as const)('loses by %s, and every loss is counted', async (overflow, kept) => {
    const batches: (readonly AnalyticsRecord[])[] = []
    let goOn: () => void = () => undefined
    const { gateway, ask } = inCore({
      recordQueue: { maxQueued: 3, batchSize: 2, flushMs: 1, overflow },
      sinks: [
        async (records) => {
          batches.push(records)
          if (batches.length === 1) await new Promise<void>((resolve) => (goOn = resolve))
        },
      ],
    })
    const losses = listenTo(gateway as HttpGateway, 'recordsLost')
    ask(2)
    await expect.poll(() => batches).toHaveLength(1)
    ask(18)
    goOn()
    await gateway.close()
    expect(pathsOf(batches)).toEqual(kept)
    expect([gateway.records.lost, losses]).toEqual([15, [{ sink: 'sinks[0]', count: 15, reason: 'overflow' }]])
  })

  it('takes 100,000 requests: none fails, so many wait as may, and the rest is counted', async () => {
    let writing = false
    const sink = (): Promise<void> => {
      writing = true
      return stopped()
    }
    const { gateway, ask } = inCore({ recordCapacity: 10, sinks: [sink] })
    let told = 0
    gateway.on('recordsLost', ({ count }) => void (told += count))
    ask(1_000)
    // The batch that never ends begins.
    await expect.poll(() => writing).toBe(true)
    for (let i = 1; i < 100; i += 1) ask(1_000)
    // 500 are being written, 10,000 wait.
    expect(gateway.records.lost).toBe(100_000 - 10_500)
    await expect.poll(() => told).toBe(100_000 - 10_500)
    await gateway.close({ timeoutMs: 5 })
    expect([gateway.records.lost, told, gateway.records.list().length]).toEqual([100_000, 100_000, 10])
  })

  it('holds no more bytes than it may: large records are fewer', async () => {
    const big = 'x'.repeat(50_000)
    const { gateway, ask } = inCore(
      { sinks: [stopped], recordQueue: { maxQueuedBytes: 1_000_000, batchSize: 1, flushMs: 1 } },
      { name: 'a', records: { detailed: true }, hooks: { pre: [() => respond(200, big)] } },
    )
    listenTo(gateway as HttpGateway, 'recordsLost')
    ask()
    await sleep(20)
    ask(100)
    // Base64 makes 50,000 bytes 66,668.
    expect(gateway.records.lost).toBe(100 - 14)
  })

  it('is not waited for longer than close() may take', async () => {
    const { gateway, ask } = inCore({ sinks: [{ name: 'stuck', write: stopped, close: stopped }] })
    const losses = listenTo(gateway as HttpGateway, 'recordsLost')
    ask(3)
    await gateway.close({ timeoutMs: 20 })
    expect([gateway.records.lost, losses]).toEqual([3, [{ sink: 'stuck', count: 3, reason: 'closed' }]])
  })

  it('counts a record once, also when its batch fails after close()', async () => {
    let fail: (error: Error) => void = () => undefined
    const { gateway, ask } = inCore({ sinks: [() => new Promise((_, reject) => (fail = reject))] })
    const losses = listenTo(gateway as HttpGateway, 'recordsLost')
    ask(3)
    await gateway.close({ timeoutMs: 5 })
    fail(new Error('late'))
    await settled()
    expect([gateway.records.lost, losses.map(({ count, reason }) => [count, reason])]).toEqual([3, [[3, 'closed']]])
  })
})

describe('close()', () => {
  it('gives sinks what is waiting for them, closes them, and only then is done', async () => {
    const { sink, batches } = collecting()
    const order: string[] = []
    const { gateway, ask } = inCore({
      recordQueue: { batchSize: 2, flushMs: 60_000 },
      sinks: [
        {
          write: async (records) => {
            await sleep(2)
            await sink.write(records)
            order.push(`write ${records.length}`)
          },
          close: async () => {
            await sleep(2)
            order.push('close')
          },
        },
      ],
    })
    ask(5)
    await gateway.close()
    expect([order, gateway.records.lost]).toEqual([['write 2', 'write 2', 'write 1', 'close'], 0])
    expect(pathsOf(batches)).toEqual(['/0', '/1', '/2', '/3', '/4'])
  })

  it('says which sink could not be closed, and rejects for none', async () => {
    const warnings = await warningsDuring(async () => {
      const { gateway } = inCore({
        sinks: [{ name: 'disk', write: () => undefined, close: () => Promise.reject(new Error('busy')) }],
      })
      await gateway.close()
    })
    expect(warnings).toEqual(['The record sink "disk" failed: Error: busy.'])
  })

  it('waits for analytics plugins first: what they leave is stored', async () => {
    const { sink, batches } = collecting()
    const { gateway, ask } = inCore(
      { sinks: [sink] },
      { ...DEFINITION, hooks: { ...DEFINITION.hooks, analytics: [() => sleep(20)] } },
    )
    ask()
    await gateway.close()
    expect(pathsOf(batches)).toEqual(['/0'])
  })
})

describe('jsonLines', () => {
  it.each([['records.jsonl'], [undefined], [{}]])('takes no %j', (stream) => {
    expect(() => jsonLines(stream as never)).toThrow(
      /^jsonLines takes a stream, not .*; expected one such as createWrite/,
    )
  })

  it('tells of the first that went wrong with its stream', async () => {
    const missing = join(tmpdir(), 'postern-none', 'records.jsonl')
    const { gateway, ask } = inCore({ sinks: [jsonLines(createWriteStream(missing))], recordQueue: { flushMs: 1 } })
    const losses = listenTo(gateway as HttpGateway, 'recordsLost')
    ask()
    await expect.poll(() => losses).toHaveLength(1)
    expect(String(losses[0]?.error?.cause)).toContain('ENOENT')
  })

  it('writes one object a line, with dates in ISO 8601', async () => {
    const stream = new PassThrough()
    const { gateway, ask } = inCore({ sinks: [jsonLines(stream, { end: true })] })
    ask(2)
    await gateway.close()
    const lines = (stream.read() as Buffer).toString().split('\n')
    expect([lines.length, lines.at(-1), stream.writableEnded]).toEqual([3, '', true])
    const records = gateway.records.list()
    for (const [i, record] of records.entries()) {
      const read = JSON.parse(lines[i]!) as AnalyticsRecord
      expect(read).toEqual(JSON.parse(JSON.stringify(record)))
      expect(String(read.timestamp)).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
    }
  })

  it('leaves the stream open unless it is told to end it', async () => {
    const stream = new PassThrough()
    const { gateway } = inCore({ sinks: [jsonLines(stream)] })
    await gateway.close()
    expect(stream.writableEnded).toBe(false)
  })

  it('goes at the pace of the stream, which holds one batch at a time', async () => {
    const waiting: (() => void)[] = []
    let most = 0
    const stream = new Writable({
      highWaterMark: 1,
      write: (_chunk, _encoding, done) => {
        most = Math.max(most, stream.writableLength)
        waiting.push(done)
      },
    })
    const { gateway, ask } = inCore({
      sinks: [jsonLines(stream)],
      recordQueue: { batchSize: 2, maxQueued: 4, flushMs: 1 },
    })
    const losses = listenTo(gateway as HttpGateway, 'recordsLost')
    ask(2)
    await expect.poll(() => waiting).toHaveLength(1)
    ask(10)
    await settled()
    expect([waiting.length, gateway.records.lost]).toEqual([1, 6])
    const length = JSON.stringify(gateway.records.list()[0]).length
    expect(most).toBeLessThan(3 * length)
    const closing = gateway.close()
    for (let i = 0; i < 3; i += 1) {
      await expect.poll(() => waiting.length).toBeGreaterThan(i)
      waiting[i]!()
    }
    await closing
    expect(losses.map(({ count }) => count)).toEqual([6])
  })

  it.each([
    ['breaks', (stream: Writable) => stream.destroy(new Error('gone'))],
    ['has ended', (stream: Writable) => stream.end()],
  ])('loses what it is given once the stream %s, and nothing else', async (_, ruin) => {
    const stream = new PassThrough().resume()
    const { gateway, ask } = inCore({ sinks: [jsonLines(stream)], recordQueue: { flushMs: 1 } })
    const losses = listenTo(gateway as HttpGateway, 'recordsLost')
    ruin(stream)
    await new Promise((resolve) => stream.once('close', resolve))
    ask(2)
    await gateway.close()
    expect(losses).toMatchObject([{ sink: 'jsonLines', count: 2, reason: 'failed' }])
  })
})
