import { describe, expect, it } from 'vitest'
import { ReadBuffer, SpareBuffers } from '../../../packages/core/src/forward/http1/read-buffer.ts'

const LARGE = 20_000

/** A socket that reads as Node does: into what it is given, telling how much, and then into what it is given next. */
function reading(spares = new SpareBuffers()): {
  readonly buffer: ReadBuffer
  readonly shown: Buffer[]
  readonly read: (text: string, length: number) => Uint8Array
} {
  const buffer = new ReadBuffer(spares)
  const shown: Buffer[] = []
  let memory = (buffer.onread.buffer as () => Uint8Array)()
  return {
    buffer,
    shown,
    read(text, length) {
      const read = memory
      Buffer.from(read.buffer, read.byteOffset).fill(text, 0, length)
      expect(buffer.onread.callback(length, read)).toBe(true)
      memory = (buffer.onread.buffer as () => Uint8Array)()
      return read
    },
  }
}

describe('what a socket is read into', () => {
  it('is the same memory again, as long as nobody keeps it', () => {
    const { buffer, shown, read } = reading()
    buffer.showTo((bytes) => void shown.push(bytes))
    expect(read('a', LARGE)).toBe(read('b', LARGE))
    expect(shown.map(String)).toEqual(['b'.repeat(LARGE), 'b'.repeat(LARGE)])
  })

  it('is other memory once somebody keeps it', () => {
    const { buffer, shown, read } = reading()
    buffer.showTo((bytes) => {
      shown.push(bytes)
      buffer.keep()
    })
    expect(read('a', LARGE)).not.toBe(read('b', LARGE))
    expect(shown.map(String)).toEqual(['a'.repeat(LARGE), 'b'.repeat(LARGE)])
  })

  it('is copied where there is little of it, and kept without the memory', () => {
    const { buffer, shown, read } = reading()
    buffer.showTo((bytes) => {
      shown.push(bytes)
      buffer.keep()
    })
    expect(read('a', 100)).toBe(read('b', 100))
    expect(shown.map(String)).toEqual(['a'.repeat(100), 'b'.repeat(100)])
    expect(shown.every((bytes) => bytes.buffer.byteLength < LARGE)).toBe(true)
  })

  it('is not what was kept before, whatever is copied since', () => {
    const { buffer, shown, read } = reading()
    buffer.showTo((bytes) => {
      shown.push(bytes)
      if (shown.length === 1) buffer.keep()
    })
    read('a', LARGE)
    read('b', 100)
    read('c', LARGE)
    expect(shown.map((bytes) => String(bytes)[0])).toEqual(['a', 'b', 'c'])
  })

  it('is what came back last', () => {
    const { buffer, shown, read } = reading()
    buffer.showTo((bytes) => {
      shown.push(bytes)
      buffer.keep()
    })
    const first = read('a', LARGE)
    buffer.release(shown[0]!)
    // That it came back a second time is no news, nor is what was never kept.
    buffer.release(shown[0]!)
    buffer.release(Buffer.from('other'))
    const second = read('b', LARGE)
    expect(second).not.toBe(first)
    expect(read('c', LARGE)).toBe(first)
    expect(read('d', LARGE)).not.toBe(first)
  })

  it('does not come back when there has been something kept since', () => {
    const { buffer, shown, read } = reading()
    buffer.showTo((bytes) => {
      shown.push(bytes)
      buffer.keep()
    })
    const first = read('a', LARGE)
    read('b', LARGE)
    buffer.release(shown[0]!)
    read('c', LARGE)
    expect(read('d', LARGE)).not.toBe(first)
    expect(String(shown[0])).toBe('a'.repeat(LARGE))
  })

  it('goes to another socket when its own is closed, once', () => {
    const spares = new SpareBuffers()
    const { buffer, read } = reading(spares)
    buffer.showTo(() => undefined)
    const memory = read('a', LARGE)
    buffer.close()
    buffer.close()
    expect(spares.take()).toBe(memory)
    expect(spares.take()).not.toBe(memory)
  })

  it('is shown later when nobody looked yet', () => {
    const { buffer, shown, read } = reading()
    read('a', LARGE)
    read('b', 3)
    buffer.showTo((bytes) => void shown.push(bytes))
    read('c', 3)
    expect(shown.map(String)).toEqual(['a'.repeat(LARGE), 'bbb', 'ccc'])
  })
})

describe('spare buffers', () => {
  it('are few, however many are given back', () => {
    const spares = new SpareBuffers()
    const given = Array.from({ length: 100 }, () => Buffer.alloc(65_536))
    for (const buffer of given) spares.put(buffer)
    const taken = Array.from({ length: 100 }, () => spares.take())
    expect(taken.filter((buffer) => given.some((known) => known === buffer))).toHaveLength(16)
  })
})
