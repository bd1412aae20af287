import { PassThrough, Readable, Writable } from 'node:stream'
import { finished, pipeline } from 'node:stream/promises'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type ByteProducer, type ByteSink, ByteStream } from '../../packages/core/src/http/byte-stream.ts'
import { GatewayError } from '../../packages/core/src/errors.ts'

interface Recorder extends ByteProducer {
  readonly calls: string[]
}

function producer(): Recorder {
  const calls: string[] = []
  return {
    calls,
    resume: () => void calls.push('resume'),
    cancel: (reason) => void calls.push(`cancel ${reason?.message ?? ''}`.trim()),
  }
}

interface Collected extends ByteSink {
  readonly seen: string[]
  room: boolean
}

function sink(room = true): Collected {
  const seen: string[] = []
  return {
    seen,
    room,
    write(chunk) {
      seen.push(Buffer.from(chunk).toString())
      return this.room
    },
    end: () => void seen.push('<end>'),
    fail: (error) => void seen.push(`<fail ${error.message}>`),
  }
}

const bytes = (text: string): Buffer => Buffer.from(text)
const tooLarge = (): GatewayError => new GatewayError('PSTN_BODY_TOO_LARGE', 'too large')

describe('a byte stream', () => {
  it('hands on what comes before and after its consumer, in order, with its end', () => {
    const stream = new ByteStream(producer())
    const to = sink()
    stream.push(bytes('a'))
    stream.push(bytes('b'))
    stream.consume(to)
    stream.push(bytes('c'))
    stream.end()
    stream.push(bytes('after the end'))
    stream.end()
    expect(to.seen).toEqual(['a', 'b', 'c', '<end>'])
  })

  it('tells its producer to wait once 64 KiB wait for a consumer, and to go on when there is one', () => {
    const from = producer()
    const stream = new ByteStream(from)
    expect([stream.push(Buffer.alloc(65_535)), stream.push(Buffer.alloc(1)), stream.push(bytes('x'))]).toEqual([
      true,
      false,
      false,
    ])
    stream.consume(sink())
    expect(from.calls).toEqual(['resume'])
    expect(stream.push(bytes('y'))).toBe(true)
  })

  it('tells its producer to wait when the consumer has no room, and to go on when it has', () => {
    const from = producer()
    const stream = new ByteStream(from)
    const to = sink(false)
    stream.consume(to)
    expect(stream.push(bytes('a'))).toBe(false)
    stream.resume()
    stream.resume()
    expect(from.calls).toEqual(['resume'])
    to.room = true
    expect(stream.push(bytes('b'))).toBe(true)
  })

  it('keeps its producer waiting while a new consumer cannot take what had waited', () => {
    const from = producer()
    const stream = new ByteStream(from)
    stream.push(Buffer.alloc(65_536))
    stream.consume(sink(false))
    expect(from.calls).toEqual([])
    stream.resume()
    expect(from.calls).toEqual(['resume'])
  })

  it('starts a producer that waits to be asked, once', () => {
    const started: ByteStream[] = []
    const stream = new ByteStream({ ...producer(), start: (one) => void started.push(one) })
    expect(started).toEqual([])
    stream.consume(sink())
    expect(started).toEqual([stream])
  })

  it('hands on a failure, before or after its consumer came, once, and nothing afterwards', () => {
    const early = new ByteStream(producer())
    early.push(bytes('a'))
    early.fail(new Error('broke'))
    early.fail(new Error('again'))
    early.push(bytes('b'))
    early.end()
    const first = sink()
    early.consume(first)
    const late = new ByteStream(producer())
    const second = sink()
    late.consume(second)
    late.fail(new Error('broke'))
    late.end()
    expect([first.seen, second.seen]).toEqual([['a', '<fail broke>'], ['<fail broke>']])
  })

  it('has one consumer', () => {
    const stream = new ByteStream(producer())
    stream.consume(sink())
    expect(() => stream.consume(sink())).toThrow(expect.objectContaining({ code: 'PSTN_INTERNAL' }))
  })

  it('tells its producer when nobody wants the rest, once, and never after the end', () => {
    const from = producer()
    const stream = new ByteStream(from)
    stream.cancel(new Error('enough'))
    stream.cancel()
    const ended = producer()
    const over = new ByteStream(ended)
    over.end()
    over.cancel()
    expect([from.calls, ended.calls]).toEqual([['cancel enough'], []])
  })

  it('swallows what still comes after it was cancelled', () => {
    const stream = new ByteStream(producer())
    const to = sink()
    stream.consume(to)
    stream.cancel()
    stream.push(bytes('a'))
    stream.end()
    expect(to.seen).toEqual([])
  })
})

describe('a stream nobody wanted', () => {
  it('fails for whoever comes for it afterwards, before and after its end', () => {
    for (const ended of [false, true]) {
      const stream = new ByteStream(producer())
      if (ended) stream.end()
      stream.cancel(new Error('gone'))
      const late = sink()
      stream.consume(late)
      expect(late.seen).toEqual(['<fail gone>'])
    }
  })

  it('ends no process where its reader has let go', async () => {
    const stream = new ByteStream(producer())
    const readable = stream.toReadable()
    stream.cancel()
    readable.read(0)
    await new Promise((resolve) => readable.once('close', resolve))
    expect(readable.errored).toMatchObject({ code: 'PSTN_CLIENT_CLOSED' })
  })
})

describe('takeComplete', () => {
  it('gives everything when the end has come and nobody consumes', () => {
    const one = new ByteStream(producer())
    one.push(bytes('whole'))
    one.end()
    const two = new ByteStream(producer())
    two.push(bytes('in '))
    two.push(bytes('parts'))
    two.end()
    const none = new ByteStream(producer())
    none.end()
    expect([one, two, none].map((stream) => stream.takeComplete()?.toString())).toEqual(['whole', 'in parts', ''])
  })

  it('gives nothing before the end, after a failure, or to a second taker', () => {
    const open = new ByteStream(producer())
    open.push(bytes('a'))
    const broken = new ByteStream(producer())
    broken.fail(new Error('broke'))
    const taken = new ByteStream(producer())
    taken.end()
    taken.takeComplete()
    const consumed = new ByteStream(producer())
    consumed.consume(sink())
    consumed.end()
    expect([open, broken, taken, consumed].map((stream) => stream.takeComplete())).toEqual([
      undefined,
      undefined,
      undefined,
      undefined,
    ])
    open.end()
    expect(open.takeComplete()?.toString()).toBe('a')
  })
})

describe('collect', () => {
  it('gives all bytes, up to the limit', async () => {
    const stream = new ByteStream(producer())
    const collected = stream.collect(4, tooLarge)
    stream.push(bytes('ab'))
    stream.push(bytes('cd'))
    stream.end()
    expect((await collected).toString()).toBe('abcd')
  })

  it('refuses one byte more, and asks for no others', async () => {
    const from = producer()
    const stream = new ByteStream(from)
    const collected = stream.collect(3, tooLarge)
    stream.push(bytes('ab'))
    stream.push(bytes('cd'))
    stream.push(bytes('ef'))
    await expect(collected).rejects.toThrow('too large')
    expect(from.calls).toEqual(['cancel'])
  })

  it('fails as the stream fails', async () => {
    const stream = new ByteStream(producer())
    const collected = stream.collect(3, tooLarge)
    stream.fail(new Error('broke'))
    await expect(collected).rejects.toThrow('broke')
  })

  it('gives the same bytes however they are cut', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.uint8Array({ maxLength: 20 }), { maxLength: 10 }),
        fc.nat({ max: 10 }),
        async (chunks, before) => {
          const stream = new ByteStream(producer())
          for (const chunk of chunks.slice(0, before)) stream.push(chunk)
          const collected = stream.collect(1_000, tooLarge)
          for (const chunk of chunks.slice(before)) stream.push(chunk)
          stream.end()
          expect(await collected).toEqual(Buffer.concat(chunks))
        },
      ),
    )
    expect.hasAssertions()
  })
})

describe('a stream made of a Readable', () => {
  it('does not read before it has a consumer', async () => {
    let reads = 0
    const readable = new Readable({
      read() {
        reads += 1
        this.push(reads === 1 ? 'text' : null)
      },
    })
    const stream = ByteStream.from(readable)
    await new Promise((resolve) => setImmediate(resolve))
    expect(reads).toBe(0)
    expect((await stream.collect(10, tooLarge)).toString()).toBe('text')
  })

  it('is one of several over the same readable, each with all of it', async () => {
    const feed = new PassThrough()
    const [first, second, third] = [ByteStream.from(feed), ByteStream.from(feed), ByteStream.from(feed)]
    const [toFirst, toSecond] = [sink(), sink()]
    first.consume(toFirst)
    second.consume(toSecond)
    feed.write('a')
    await new Promise((resolve) => setImmediate(resolve))
    feed.end('b')
    await finished(feed)
    expect([toFirst.seen, toSecond.seen]).toEqual([
      ['a', 'b', '<end>'],
      ['a', 'b', '<end>'],
    ])
    expect(third.consumed).toBe(false)
  })

  it('that never began takes nothing from one that did when it is cancelled', async () => {
    const feed = new PassThrough()
    const running = sink()
    ByteStream.from(feed).consume(running)
    const waiting = ByteStream.from(feed, { release: 'drain' })
    feed.write('a')
    waiting.cancel()
    feed.end('b')
    await finished(feed)
    expect(running.seen).toEqual(['a', 'b', '<end>'])
  })

  it('is collected as a copy: who wrote the bytes may use its buffer again', async () => {
    const buffer = bytes('abc')
    const stream = ByteStream.from(Readable.from([buffer]))
    const collected = await stream.collect(10, tooLarge)
    buffer.fill('x')
    expect(collected.toString()).toBe('abc')
  })

  it('fails when there is more than it may give', async () => {
    const stream = ByteStream.from(Readable.from([bytes('abc'), bytes('def')]), { limitBytes: 5 })
    await expect(stream.collect(100, tooLarge)).rejects.toMatchObject({ code: 'PSTN_BODY_TOO_LARGE' })
  })

  it.each<[string, (readable: Readable) => void]>([
    ['is destroyed', (readable) => void readable.destroy()],
    ['fails', (readable) => void readable.destroy(new Error('broke'))],
  ])('fails when the source %s half-way, and never ends', async (_, breakOff) => {
    const readable = new Readable({ read: () => undefined })
    const stream = ByteStream.from(readable)
    const collected = stream.collect(100, tooLarge)
    readable.push('half')
    breakOff(readable)
    await expect(collected).rejects.toMatchObject({ code: 'PSTN_BODY_ABORTED' })
  })

  it('fails when the source was gone before', async () => {
    const readable = Readable.from(['a'])
    readable.destroy()
    await expect(ByteStream.from(readable).collect(100, tooLarge)).rejects.toMatchObject({ code: 'PSTN_BODY_ABORTED' })
  })

  it('destroys its source when it is cancelled, or reads it to its end where that is asked for', async () => {
    const endless = (): Readable => new Readable({ read: () => undefined })
    const [destroyed, drained] = [endless(), endless()]
    ByteStream.from(destroyed).cancel()
    ByteStream.from(drained, { release: 'drain' }).cancel()
    drained.push('rest')
    drained.push(null)
    await new Promise((resolve) => drained.once('end', resolve))
    expect([destroyed.destroyed, drained.readableEnded]).toEqual([true, true])
  })

  it('is no reason for an uncaught exception when its source fails after its end', async () => {
    const readable = new Readable({ read: () => undefined, autoDestroy: false })
    const stream = ByteStream.from(readable)
    const collected = stream.collect(100, tooLarge)
    readable.push(null)
    await collected
    expect(readable.emit('error', new Error('late'))).toBe(true)
  })
})

describe('a Readable over a stream', () => {
  it('carries the bytes with the backpressure of its reader', async () => {
    const chunks = Array.from({ length: 50 }, (_, i) => Buffer.alloc(10_000, i))
    let paused = 0
    let next = 0
    const stream = new ByteStream({
      start: (one) => pump(one),
      resume: () => pump(stream),
      cancel: () => undefined,
    })
    const pump = (one: ByteStream): void => {
      while (next < chunks.length) {
        next += 1
        if (!one.push(chunks[next - 1]!)) {
          paused += 1
          return
        }
      }
      one.end()
    }
    const received: Buffer[] = []
    const slow = new Writable({
      highWaterMark: 1,
      write: (chunk: Buffer, _encoding, done) => {
        received.push(chunk)
        setImmediate(done)
      },
    })
    await pipeline(stream.toReadable(), slow)
    expect(Buffer.concat(received).equals(Buffer.concat(chunks))).toBe(true)
    expect(paused).toBeGreaterThan(0)
  })

  it('fails as the stream fails, and cancels it when it is destroyed', async () => {
    const failing = new ByteStream(producer())
    const readable = failing.toReadable()
    readable.resume()
    await new Promise((resolve) => setImmediate(resolve))
    const failed = new Promise<Error>((resolve) => readable.once('error', resolve))
    failing.fail(new Error('broke'))
    expect((await failed).message).toBe('broke')
    const from = producer()
    const destroyed = new ByteStream(from).toReadable()
    destroyed.destroy()
    await new Promise((resolve) => destroyed.once('close', resolve))
    expect(from.calls).toEqual(['cancel'])
  })
})
