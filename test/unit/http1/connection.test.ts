import { connect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, describe, expect, it } from 'vitest'
import { ByteStream } from '../../../packages/core/src/http/byte-stream.ts'
import { closeAll } from '../../support/cleanup.ts'
import { deafPort } from '../../support/server.ts'
import { signalled } from '../../support/promises.ts'
import { answer, ask, poolAt, poolTo, Recorded } from './asking.ts'

afterEach(closeAll)

/** Answers every request whose head is whole. */
const answering =
  (text: string | ((turn: number) => string), heard: string[] = []) =>
  (socket: Socket): void => {
    let turn = 0
    socket.on('data', (data) => {
      heard.push(data.toString('latin1'))
      if (!data.includes('\r\n\r\n')) return
      turn += 1
      socket.write(typeof text === 'string' ? text : text(turn), 'latin1')
    })
  }

/** A body somebody sends piece by piece. */
function upload(): { readonly stream: ByteStream; readonly state: { cancelled: boolean; resumed: number } } {
  const state = { cancelled: false, resumed: 0 }
  const stream = new ByteStream({
    resume: () => void (state.resumed += 1),
    cancel: () => void (state.cancelled = true),
  })
  return { stream, state }
}

function streamed(bytes: Buffer): ByteStream {
  const { stream } = upload()
  stream.push(bytes)
  stream.end()
  return stream
}

const EVERY_BYTE = Buffer.alloc(20_000, Buffer.from(Array.from({ length: 256 }, (_, i) => i)))

function chunked(bytes: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`${bytes.length.toString(16)}\r\n`), bytes, Buffer.from('\r\n0\r\n\r\n')])
}

describe('a connection', () => {
  it('is used again, and the one that was used last', async () => {
    const { pool, connections } = await poolTo(answering(answer('ok')))
    for (let i = 0; i < 3; i += 1) {
      const { said, body } = await ask(pool).over
      expect([said, body]).toEqual([['connected', 'started', '200 whole', 'end'], 'ok'])
    }
    expect(connections()).toBe(1)
    await Promise.all([ask(pool).over, ask(pool).over])
    expect(connections()).toBe(2)
  })

  it('waits for the rest of a head', async () => {
    const { pool } = await poolTo((socket) =>
      socket.on('data', async () => {
        socket.write(`HTTP/1.1 200 OK\r\n${'X-A: bcd\r\n'.repeat(1_900)}`.slice(0, -3))
        await sleep(20)
        socket.write(`c\r\nContent-Length: 20000\r\n\r\n${'d'.repeat(20_000)}`)
      }),
    )
    const { said, body } = await ask(pool).over
    expect([said, body]).toEqual([['connected', 'started', '200 whole', 'end'], 'd'.repeat(20_000)])
  })

  it.each([
    'HTTP/1.1 204 No Content\r\nContent-Length: 44\r\n\r\n',
    'HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n',
    'HTTP/1.1 304 Not Modified\r\nContent-Length: 44\r\n\r\n',
  ])('is not used again behind %j: the body may come when somebody else waits', async (head) => {
    const { pool, connections } = await poolTo((socket, turn) => {
      socket.once('data', () => socket.write(turn === 1 ? head : answer('ok')))
      // What it has announced comes late, and somebody else has asked by then.
      socket.on('data', (data) => data.includes('/second') && turn === 1 && socket.write(answer('poison')))
    })
    await ask(pool).over
    await sleep(20)
    expect((await ask(pool, { target: '/second' }).over).body).toBe('ok')
    expect(connections()).toBe(2)
  })

  it.each([
    ['the upstream says so', answer('ok', 'Connection: close\r\n')],
    ['it speaks HTTP/1.0', answer('ok').replace('1.1', '1.0')],
    ['it would be kept for too short a time', answer('ok', 'Keep-Alive: timeout=2\r\n')],
    ['bytes follow the answer', `${answer('ok')}x`],
    ['another answer follows', answer('ok') + answer('poison')],
    ['a line follows', `${answer('ok')}\r\n`],
  ])('is not used again where %s', async (_, text) => {
    const { pool, connections } = await poolTo(answering(text))
    for (let i = 0; i < 2; i += 1) expect((await ask(pool).over).body).toBe('ok')
    expect(connections()).toBe(2)
  })

  it.each([
    ['HEAD', undefined, 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n'],
    ['GET', Buffer.from('body'), answer('ok')],
    ['DELETE', Buffer.from('body'), answer('ok')],
  ])('is not used again behind %s with the body %s', async (method, body, text) => {
    const heard: string[] = []
    const { pool, connections } = await poolTo(answering(text, heard))
    for (let i = 0; i < 2; i += 1) await ask(pool, { method, body, length: body?.length }).over
    expect(connections()).toBe(2)
    expect(heard[0]).toContain('connection: close\r\n')
  })

  it.each([
    ['bytes', (socket: Socket) => socket.write(answer('poison'))],
    ['its end', (socket: Socket) => socket.end()],
    ['a reset', (socket: Socket) => socket.resetAndDestroy()],
  ])('that brings %s while nobody asks is gone', async (_, spoil) => {
    const sockets: Socket[] = []
    const { pool, connections } = await poolTo((socket) => {
      sockets.push(socket)
      answering(answer('ok'))(socket)
    })
    await ask(pool).over
    const closed = new Promise((resolve) => sockets[0]!.once('close', resolve))
    spoil(sockets[0]!)
    await closed
    expect((await ask(pool).over).body).toBe('ok')
    expect(connections()).toBe(2)
  })

  it('that has been poisoned in the turn in which the next request comes does not get it', async () => {
    const sockets: Socket[] = []
    const { pool, origin, connections } = await poolTo((socket) => {
      sockets.push(socket)
      answering(answer('ok'))(socket)
    })
    await ask(pool).over
    const client = connect(Number(new URL(origin).port), '127.0.0.1')
    await expect.poll(() => sockets.length).toBe(2)
    const next = new Promise<Recorded>((resolve) => client.once('data', () => resolve(ask(pool).over)))
    // Both have come when this turn is over, and whichever is read first, the request leaves behind both.
    sockets[1]!.write('now')
    sockets[0]!.write(answer('poison'))
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 30)
    expect((await next).body).toBe('ok')
    expect(connections()).toBe(3)
    client.destroy()
  })

  it('ends when it has been idle for as long as the upstream says, less two seconds', async () => {
    const closed = signalled()
    const { pool, connections } = await poolTo((socket) => {
      socket.once('close', () => closed.signal())
      answering(answer('ok', 'Keep-Alive: timeout=3\r\n'))(socket)
    })
    await ask(pool).over
    await sleep(200)
    await ask(pool).over
    await closed.promise
    expect(connections()).toBe(1)
  })
})

describe('a request', () => {
  it('leaves in one piece with a small body', async () => {
    const heard: string[] = []
    const { pool } = await poolTo(answering(answer('ok'), heard))
    await ask(pool, { headers: ['Host', 'a', 'X-A', '\u00e9'] }).over
    await ask(pool, { method: 'POST', length: 0 }).over
    await ask(pool, { method: 'POST', body: Buffer.from('body'), length: 4 }).over
    const { stream } = upload()
    stream.push(Buffer.from('streamed'))
    stream.end()
    await ask(pool, { method: 'POST', body: stream }).over
    const head = 'POST / HTTP/1.1\r\nhost: a\r\nconnection: keep-alive\r\n'
    expect(heard).toEqual([
      'GET / HTTP/1.1\r\nhost: a\r\nconnection: keep-alive\r\nX-A: \u00e9\r\n\r\n',
      `${head}content-length: 0\r\n\r\n`,
      `${head}content-length: 4\r\n\r\nbody`,
      expect.stringContaining(`${head}transfer-encoding: chunked\r\n\r\n8\r\nstreamed\r\n`),
    ])
  })

  it.each([
    ['a length', 200_000, (body: string) => `content-length: 200000\r\n\r\n${body}`],
    [
      'chunks',
      undefined,
      (body: string) => `transfer-encoding: chunked\r\n\r\n30d40\r\n${body}\r\n1\r\n!\r\n0\r\n\r\n`,
    ],
  ])('streams a body with %s', async (_, length, framed) => {
    const body = 'x'.repeat(200_000)
    const whole = signalled<string>()
    const expected = `POST / HTTP/1.1\r\nhost: a\r\nconnection: keep-alive\r\n${framed(body)}`
    const { pool, connections } = await poolTo((socket) => {
      let text = ''
      socket.on('data', (data) => {
        text += data.toString('latin1')
        if (text.length < expected.length) return
        whole.signal(text)
        socket.write(answer('ok'))
      })
    })
    const { stream } = upload()
    const asked = ask(pool, { method: 'POST', body: stream, length })
    stream.push(Buffer.from(body))
    if (length === undefined) stream.push(Buffer.from('!'))
    stream.end()
    expect([(await asked.over).said.at(-1), await whole.promise]).toEqual(['end', expected])
    await ask(pool).over.catch(() => undefined)
    expect(connections()).toBe(1)
  })

  it.each([
    ['longer', 'hello!'],
    ['shorter', 'hell'],
  ])('whose body is %s than announced is broken off, and the fault is ours', async (_, body) => {
    const closed = signalled()
    const { pool } = await poolTo((socket) => void socket.resume().once('close', () => closed.signal()))
    const { stream } = upload()
    stream.push(Buffer.from(body))
    stream.end()
    const { said } = await ask(pool, { method: 'POST', body: stream, length: 5 }).over
    expect(said).toEqual(['connected', 'ERR_BODY_LENGTH'])
    await closed.promise
  })

  /** From a length at which head and body leave as one text to one at which they do not. */
  const aroundLongestText = Array.from({ length: 60 }, (_, i) => 16_270 + i)

  it.each([
    ['whole', (body: Buffer) => ({ body, length: body.length }), (body: Buffer) => body],
    ['a stream of a length', (body: Buffer) => ({ body: streamed(body), length: body.length }), (body: Buffer) => body],
    ['a stream of chunks', (body: Buffer) => ({ body: streamed(body), length: undefined }), chunked],
  ])('carries each byte of a body that is %s', async (_, given, framed) => {
    let heard = Buffer.alloc(0)
    let length = 0
    const { pool, connections } = await poolTo((socket) => {
      socket.on('data', (data) => {
        heard = Buffer.concat([heard, data])
        if (heard.length === heard.indexOf('\r\n\r\n') + 4 + length) socket.write(answer('ok'))
      })
    })
    for (const bytes of [256, ...aroundLongestText, 20_000]) {
      const sent = EVERY_BYTE.subarray(0, bytes)
      heard = Buffer.alloc(0)
      ;({ length } = framed(sent))
      expect((await ask(pool, { method: 'POST', ...given(sent) }).over).said.at(-1)).toBe('end')
      expect(heard.subarray(-length).equals(framed(sent))).toBe(true)
    }
    expect(connections()).toBe(1)
  })

  it('whose body breaks off ends with what its body has failed with', async () => {
    const closed = signalled()
    const { pool } = await poolTo((socket) => void socket.resume().once('close', () => closed.signal()))
    const { stream } = upload()
    const asked = ask(pool, { method: 'POST', body: stream, length: 5 })
    stream.push(Buffer.from('hel'))
    await expect.poll(() => asked.said).toEqual(['connected'])
    stream.fail(Object.assign(new Error('no'), { code: 'MINE' }))
    expect((await asked.over).said).toEqual(['connected', 'MINE'])
    await closed.promise
  })

  it.each([
    ['a target with a blank', { target: '/a b' }],
    ['a target with a line break', { target: '/ HTTP/1.1\r\nX: 1\r\n\r\n' }],
    ['a target that is no path', { target: 'http://b/' }],
    ['a method that is none', { method: 'GET /x HTTP/1.1\r\n' }],
    ['a value with a line break', { headers: ['Host', 'a', 'X', 'a\r\nY: b'] }],
    ['a value with a character that is cut to a line break', { headers: ['Host', 'a', 'X', 'a\u010aY: b'] }],
    ['a name that is none', { headers: ['Host', 'a', 'X: 1\r\nY', 'b'] }],
    ['a host with a line break', { headers: ['Host', 'a\r\nY: b'] }],
  ])('with %s does not leave', async (_, message) => {
    const heard: string[] = []
    const { pool } = await poolTo(answering(answer('ok'), heard))
    expect((await ask(pool, message).over).said).toEqual(['connected', 'ERR_UNSENDABLE'])
    expect((await ask(pool).over).said.at(-1)).toBe('end')
    expect(heard).toHaveLength(1)
  })
})

describe('an answer', () => {
  it.each([
    ['whole', (text: string) => answer(text)],
    ['in pieces of a length', (text: string) => `HTTP/1.1 200 OK\r\nContent-Length: 40000\r\n\r\n${text}`],
    ['in chunks', (text: string) => `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n${text}\r\n`],
    ['that ends with the connection', (text: string) => `HTTP/1.1 200 OK\r\n\r\n${text}`],
  ])('%s stays what it was while others are read', async (_, answered) => {
    const letters = ['a', 'b', 'c', 'd']
    const { pool } = await poolTo((socket, turn) => {
      socket.once('data', () => {
        socket.write(answered(letters[turn - 1]!.repeat(5)))
        setTimeout(() => socket.destroy(), 50)
      })
    })
    const asked = letters.map(() => ask(pool, {}, new Recorded(true)))
    await Promise.all(asked.map(({ over }) => over))
    const kept = asked.map((one) => Buffer.concat(one.kept).toString())
    expect(kept.toSorted()).toEqual(letters.map((letter) => letter.repeat(5)))
  })

  it('that comes before the body is through is passed on, the rest is not sent, and the connection is gone', async () => {
    const { pool, connections } = await poolTo((socket) => {
      socket.once('data', () => socket.write(answer('early')))
    })
    const { stream, state } = upload()
    const asked = ask(pool, { method: 'POST', body: stream, length: 1_000_000 })
    stream.push(Buffer.from('beginning'))
    const { said, body } = await asked.over
    expect([said.slice(1), body, state.cancelled]).toEqual([['started', '200 whole', 'end'], 'early', true])
    await ask(pool).over
    expect(connections()).toBe(2)
  })

  it.each(['destroy', 'resetAndDestroy', 'end'] as const)(
    'that comes before the body is through counts, also when the upstream calls %s()',
    async (how) => {
      const { pool } = await poolTo((socket) => {
        socket.once('data', () => socket.pause().write(answer('no', 'Connection: close\r\n'), () => socket[how]()))
      })
      const { said, body } = await ask(pool, { method: 'POST', body: Buffer.alloc(20_000_000), length: 20_000_000 })
        .over
      expect([said.at(-1), body]).toEqual(['end', 'no'])
    },
  )

  it.each([
    ['before it', '', ['ERR_UPSTREAM_CLOSED']],
    ['in its head', 'HTTP/1.1 200 OK\r\nA', ['started', 'ERR_UPSTREAM_CLOSED']],
    ['behind an interim answer', 'HTTP/1.1 100 x\r\n\r\n', ['started', 'ERR_UPSTREAM_CLOSED']],
    ['in its body', 'HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf', ['started', '200', 'ERR_UPSTREAM_CLOSED']],
    [
      'in a chunk',
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nhalf',
      ['started', '200', 'ERR_UPSTREAM_CLOSED'],
    ],
    ['in a body that ends so', 'HTTP/1.1 200 OK\r\n\r\nhalf', ['started', '200', 'end']],
  ])('is what it is when the connection is closed %s', async (_, bytes, said) => {
    const { pool } = await poolTo((socket) => socket.once('data', () => socket.end(bytes)))
    expect((await ask(pool).over).said).toEqual(['connected', ...said])
  })

  it('is broken by a reset, also where its body ends with the connection', async () => {
    const { pool } = await poolTo((socket) => {
      socket.once('data', () =>
        socket.write('HTTP/1.1 200 OK\r\n\r\nhalf', () => setTimeout(() => socket.resetAndDestroy(), 30)),
      )
    })
    const { said, body } = await ask(pool).over
    expect([said, body]).toEqual([['connected', 'started', '200', 'ECONNRESET'], 'half'])
  })

  it.each([
    ['a length', `HTTP/1.1 200 OK\r\nContent-Length: ${8 << 20}\r\n\r\n`, (piece: string) => piece],
    ['chunks', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n', (piece: string) => `10000\r\n${piece}\r\n`],
    ['neither', 'HTTP/1.1 200 OK\r\n\r\n', (piece: string) => piece],
  ])('with %s waits for who takes it, and for that nobody is late', async (what, head, framed) => {
    let written = 0
    const { pool } = await poolTo((socket) => {
      socket.once('data', async () => {
        socket.write(head)
        const piece = 'x'.repeat(65_536)
        for (let i = 0; i < 128; i += 1) {
          written += piece.length
          if (!socket.write(framed(piece))) await new Promise((resolve) => socket.once('drain', resolve))
        }
        if (what === 'chunks') socket.write('0\r\n\r\n')
        if (what === 'neither') socket.end()
      })
    })
    const asker = new Recorded()
    asker.takes = 1
    ask(pool, { bodyTimeoutMs: 100 }, asker)
    await expect.poll(() => asker.body.length).toBeGreaterThan(0)
    await sleep(800)
    const [held, sent] = [asker.body.length, written]
    await sleep(100)
    expect([asker.body.length, written, held < 1 << 20, sent < 8 << 20]).toEqual([held, sent, true, true])
    asker.takes = Number.POSITIVE_INFINITY
    asker.exchange!.resume(asker)
    const { said, body } = await asker.over
    expect([said.at(-1), body.length]).toEqual(['end', 8 << 20])
  })
})

describe('a deadline', () => {
  it('is kept for the head, whatever trickles in, and counts from the end of the body', async () => {
    const { pool } = await poolTo((socket) => {
      const timer = setInterval(() => socket.write('HTTP/1.1 102 x\r\n\r\n'), 20)
      socket.on('close', () => clearInterval(timer))
      socket.resume()
    })
    const { stream } = upload()
    const waiting = ask(pool, { method: 'POST', body: stream, length: 4, headersTimeoutMs: 100 })
    stream.push(Buffer.from('bo'))
    expect((await ask(pool, { headersTimeoutMs: 100 }).over).said.at(-1)).toBe('ERR_UPSTREAM_LATE')
    await sleep(300)
    expect(waiting.said).not.toContain('ERR_UPSTREAM_LATE')
    stream.push(Buffer.from('dy'))
    stream.end()
    expect((await waiting.over).said.at(-1)).toBe('ERR_UPSTREAM_LATE')
  })

  it('is kept for a body that pauses, and for an upstream that takes none of the request', async () => {
    const { pool } = await poolTo((socket, turn) => {
      if (turn === 1) socket.once('data', () => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf'))
      else socket.pause()
    })
    const pausing = ask(pool, { bodyTimeoutMs: 100 })
    expect((await pausing.over).said).toEqual(['connected', 'started', '200', 'ERR_UPSTREAM_LATE'])
    const { stream } = upload()
    stream.push(Buffer.alloc(20_000_000))
    const blocked = ask(pool, { method: 'POST', body: stream, headersTimeoutMs: 100 })
    expect((await blocked.over).said).toEqual(['connected', 'ERR_UPSTREAM_LATE'])
  })
})

describe('giving up', () => {
  it('before anything has left keeps the connection for others', async () => {
    const heard: string[] = []
    const { pool, connections } = await poolTo(answering(answer('ok'), heard))
    const asker = new Recorded()
    asker.onConnected = (exchange) => exchange.abort(asker)
    expect((await ask(pool, {}, asker).over).said).toEqual(['connected', 'ABORT_ERR'])
    expect((await ask(pool).over).body).toBe('ok')
    expect([connections(), heard.length]).toEqual([1, 1])
  })

  it.each([
    ['while the answer is awaited', '', ['connected']],
    ['in its head', 'HTTP/1.1 200 OK\r\n', ['connected', 'started']],
    ['in its body', 'HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf', ['connected', 'started', '200']],
  ])('%s ends the connection', async (_, bytes, said) => {
    const [asked, closed] = [signalled(), signalled()]
    const { pool } = await poolTo((socket) => {
      socket.once('close', () => closed.signal())
      socket.once('data', () => socket.write(bytes, () => asked.signal()))
    })
    const asker = ask(pool)
    await asked.promise
    await expect.poll(() => asker.said).toEqual(said)
    asker.exchange!.abort(asker)
    expect(asker.said).toEqual([...said, 'ABORT_ERR'])
    await closed.promise
  })

  it('afterwards does not touch who has the connection now', async () => {
    const { pool } = await poolTo(answering(answer('ok')))
    const first = await ask(pool).over
    const asker = new Recorded()
    asker.onConnected = () => {
      first.exchange!.abort(first)
      first.exchange!.resume(first)
    }
    expect((await ask(pool, {}, asker).over).said).toEqual(['connected', 'started', '200 whole', 'end'])
  })
})

describe('the pool', () => {
  it('gives a connection that is free to who waits for a new one', async () => {
    const held: Socket[] = []
    const { pool } = await poolTo((socket) => {
      socket.on('data', () => held.push(socket))
    })
    const first = ask(pool)
    await expect.poll(() => held.length).toBe(1)
    const second = ask(pool)
    held.shift()!.write(answer('first'))
    await first.over
    await expect.poll(() => held.length).toBe(1)
    held.shift()!.write(answer('second'))
    expect((await second.over).body).toBe('second')
  })

  it('tells everybody who waits that nobody listens', async () => {
    const pool = poolAt(`http://127.0.0.1:${await deafPort()}`)
    const all = await Promise.all([ask(pool).over, ask(pool).over, ask(pool).over])
    expect(all.map(({ said }) => said)).toEqual([['ECONNREFUSED'], ['ECONNREFUSED'], ['ECONNREFUSED']])
  })

  it('lets those under way finish when it is closed, and ends when they have', async () => {
    const held: Socket[] = []
    const { pool, connections } = await poolTo((socket) => void socket.on('data', () => held.push(socket)))
    const [one, other] = [ask(pool), ask(pool)]
    await expect.poll(() => held.length).toBe(2)
    held[0]!.write(answer('one'))
    await Promise.race([one.over, other.over])
    let ended = false
    const closing = pool.close().then(() => (ended = true))
    await sleep(20)
    expect(ended).toBe(false)
    held[1]!.write(answer('other'))
    await Promise.all([one.over, other.over, closing])
    expect([[one.body, other.body].toSorted(), connections()]).toEqual([['one', 'other'], 2])
  })

  it('ends all of them when it is destroyed, also those who wait, and takes no more', async () => {
    const asked = signalled()
    const { pool } = await poolTo((socket) => void socket.on('data', () => asked.signal()))
    const running = ask(pool)
    await asked.promise
    const waiting = ask(pool)
    await pool.destroy()
    const late = ask(pool)
    for (const { said } of await Promise.all([running.over, waiting.over, late.over]))
      expect(said.at(-1)).toBe('ERR_POOL_CLOSED')
  })

  it('does not keep a process that has nothing else to do', async () => {
    const { pool } = await poolTo(answering(answer('ok')))
    const asker = await ask(pool).over
    expect(asker.body).toBe('ok')
    const counted = (): number => process.getActiveResourcesInfo().filter((kind) => kind === 'TCPSocketWrap').length
    const before = counted()
    await expect.poll(() => counted()).toBe(before - 1)
  })
})
