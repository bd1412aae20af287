import type { Socket } from 'node:net'
import { Duplex } from 'node:stream'
import { afterEach, describe, expect, it } from 'vitest'
import { mergeSmallWrites } from '../../packages/http/src/merged-writes.ts'
import { closeAll } from '../support/cleanup.ts'
import { socketPair } from '../support/socket-pair.ts'

afterEach(closeAll)

/** The near end of a real connection; `calls` are its writes as the system gets them. */
async function pair(): Promise<{ near: Socket; all: () => Promise<Buffer>; calls: string[] }> {
  const { near, far } = await socketPair()
  const calls: string[] = []
  const write = near._write.bind(near)
  near._write = (chunk: string | Buffer, encoding, done) => {
    calls.push(typeof chunk === 'string' ? `${encoding} text of ${chunk.length}` : `${chunk.length} bytes`)
    write(chunk, encoding, done)
  }
  const writev = near._writev!.bind(near)
  near._writev = (chunks, done) => {
    calls.push(`${chunks.length} pieces`)
    writev(chunks, done)
  }
  mergeSmallWrites(near)
  mergeSmallWrites(near)
  const all = async (): Promise<Buffer> => {
    const pieces: Buffer[] = []
    for await (const piece of far) pieces.push(piece as Buffer)
    return Buffer.concat(pieces)
  }
  return { near, all, calls }
}

const EVERY_BYTE = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte))

describe('what is written at one time', () => {
  it('leaves as one text, byte for byte', async () => {
    const { near, all, calls } = await pair()
    near.cork()
    near.write('head \u00E9\r\n\r\n', 'latin1')
    near.write(EVERY_BYTE)
    near.write('', 'latin1')
    near.uncork()
    near.end()
    expect(await all()).toEqual(Buffer.concat([Buffer.from('head \u00E9\r\n\r\n', 'latin1'), EVERY_BYTE]))
    expect(calls).toEqual([`latin1 text of ${10 + 256}`])
  })

  it('stays in pieces where one is text of another encoding, or it is long', async () => {
    const { near, all, calls } = await pair()
    const long = Buffer.alloc(16_384, EVERY_BYTE)
    near.cork()
    near.write('caf\u00E9 \u{1F600}', 'utf8')
    near.write(EVERY_BYTE)
    near.uncork()
    near.cork()
    near.write('x', 'latin1')
    near.write(long)
    near.uncork()
    near.end()
    expect(await all()).toEqual(Buffer.concat([Buffer.from('caf\u00E9 \u{1F600}'), EVERY_BYTE, Buffer.from('x'), long]))
    expect(calls).toEqual(['2 pieces', '2 pieces'])
  })

  it('is told of when it is out, and of an error', async () => {
    const { near, all } = await pair()
    const told: unknown[] = []
    near.cork()
    near.write('a', 'latin1', (error) => told.push(error ?? 'a'))
    near.write('b', 'latin1', (error) => told.push(error ?? 'b'))
    near.uncork()
    near.end()
    await all()
    expect(told).toEqual(['a', 'b'])
  })

  it('leaves before its connection is destroyed, and so does what was written behind it', async () => {
    const { near, all } = await pair()
    near.cork()
    near.write('last ', 'latin1')
    near.write('words', 'latin1')
    near.uncork()
    for (const more of [', ', 'all ', 'of ', 'them']) near.write(more, 'latin1')
    near.destroy()
    expect((await all()).toString()).toBe('last words, all of them')
  })

  it.each([[undefined], [new Error('mine')]])(
    'says nothing of its own failing to who destroys the connection: %s',
    async (reason) => {
      const { near } = await pair()
      near._write = (_, __, done) => done(new Error('EPIPE'))
      const heard: unknown[] = []
      near.on('error', (error) => heard.push(error))
      near.cork()
      near.write('a', 'latin1')
      near.write('b', 'latin1')
      near.uncork()
      near.destroy(reason)
      await new Promise((resolve) => near.once('close', resolve))
      expect(heard).toEqual(reason === undefined ? [] : [reason])
    },
  )

  it('stays as it is on what only stands in for a connection', () => {
    const writev = (): void => undefined
    const duplex = new Duplex({ read: () => undefined, writev })
    mergeSmallWrites(duplex as Socket)
    expect(duplex).toHaveProperty('_writev', writev)
  })
})
