import { describe, expect, it } from 'vitest'
import { ReadBuffer, SpareBuffers } from '../../../packages/core/src/forward/http1/read-buffer.ts'

/** As much as a socket is read into at first. */
const SMALL = 16_384
const LARGE = 40_000

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
    read('x', SMALL)
    expect(read('a', LARGE)).toBe(read('b', LARGE))
    expect(shown.slice(1).map(String)).toEqual(['b'.repeat(LARGE), 'b'.repeat(LARGE)])
  })

  it('is other memory once somebody keeps it', () => {
    const { buffer, shown, read } = reading()
    buffer.showTo((bytes) => {
      shown.push(buffer.lasting(bytes))
      buffer.keep(bytes.subarray(5))
    })
    read('x', SMALL)
    expect(read('a', LARGE)).not.toBe(read('b', LARGE))
    expect(shown.slice(1).map(String)).toEqual(['a'.repeat(LARGE), 'b'.repeat(LARGE)])
  })

  it('stays where something else is kept', () => {
    const { buffer, read } = reading()
    buffer.showTo(() => buffer.keep(Buffer.from('a copy')))
    read('x', SMALL)
    expect(read('a', LARGE)).toBe(read('b', LARGE))
  })

  it.each([100, SMALL, 32_767])('lasts as a copy where it is %i bytes, and is kept without the memory', (length) => {
    const { buffer, shown, read } = reading()
    buffer.showTo((bytes) => {
      const lasting = buffer.lasting(bytes)
      shown.push(lasting)
      buffer.keep(lasting)
    })
    const memory = ['a', 'b'].flatMap((text) => [read('x', SMALL), read(text, length)])
    const starts = shown.map((bytes) => `${String(bytes)[0]} ${bytes.length}`)
    expect(starts).toEqual([`x ${SMALL}`, `a ${length}`, `x ${SMALL}`, `b ${length}`])
    expect(memory.some(({ buffer: where }) => shown.some((bytes) => bytes.buffer === where))).toBe(false)
  })

  it('is small, and shared by all, until much comes, and when little comes twice', () => {
    const spares = new SpareBuffers()
    const [one, other] = [reading(spares), reading(spares)]
    one.buffer.showTo(() => undefined)
    other.buffer.showTo(() => undefined)
    const memory = [
      one.read('a', 10),
      other.read('b', SMALL),
      other.read('c', 10),
      other.read('d', 10),
      other.read('e', 10),
    ]
    expect(memory.map((bytes) => bytes === spares.small)).toEqual([true, true, false, false, true])
    // What it has let go of is there for others.
    expect(spares.take()).toBe(memory[2])
  })

  it('is not what was kept before, whatever is copied since', () => {
    const { buffer, shown, read } = reading()
    buffer.showTo((bytes) => {
      shown.push(buffer.lasting(bytes))
      if (shown.length === 2) buffer.keep(bytes)
    })
    read('x', SMALL)
    read('a', LARGE)
    read('b', 100)
    read('c', LARGE - 1)
    expect(shown.map((bytes) => String(bytes)[0])).toEqual(['x', 'a', 'b', 'c'])
  })

  it('is what came back last', () => {
    const { buffer, shown, read } = reading()
    buffer.showTo((bytes) => {
      shown.push(bytes)
      buffer.keep(bytes)
    })
    read('x', SMALL)
    const first = read('a', LARGE)
    buffer.release(shown[1]!)
    // That it came back a second time is no news, nor is what was never kept.
    buffer.release(shown[1]!)
    buffer.release(Buffer.from('other'))
    const second = read('b', LARGE)
    expect(second).not.toBe(first)
    expect(read('c', LARGE)).toBe(first)
    expect(read('d', LARGE)).not.toBe(first)
  })

  it.each([
    ['when there has been something kept since', ({ read }: ReturnType<typeof reading>) => void read('b', LARGE)],
    ['when it was forgotten', ({ buffer }: ReturnType<typeof reading>) => buffer.forget()],
    ['when the socket is closed', ({ buffer }: ReturnType<typeof reading>) => buffer.close()],
  ])('does not come back %s', (_, meanwhile) => {
    const spares = new SpareBuffers()
    const socket = reading(spares)
    const { buffer, shown, read } = socket
    buffer.showTo((bytes) => {
      shown.push(bytes)
      buffer.keep(bytes)
    })
    read('x', SMALL)
    const first = read('a', LARGE)
    meanwhile(socket)
    buffer.release(shown[1]!)
    const free = Array.from({ length: 20 }, () => spares.take())
    expect(free.some((spare) => spare === first)).toBe(false)
    expect(String(shown[1])).toBe('a'.repeat(LARGE))
  })

  it('goes to another socket when its own is closed, once', () => {
    const spares = new SpareBuffers()
    const { buffer, read } = reading(spares)
    buffer.showTo(() => undefined)
    read('x', SMALL)
    const memory = read('a', LARGE)
    buffer.close()
    buffer.close()
    expect(spares.take()).toBe(memory)
    expect(spares.take()).not.toBe(memory)
  })

  it('is shown later when nobody looked yet', () => {
    const { buffer, shown, read } = reading()
    read('a', SMALL)
    read('b', 3)
    buffer.showTo((bytes) => void shown.push(buffer.lasting(bytes)))
    read('c', 3)
    expect(shown.map(String)).toEqual(['a'.repeat(SMALL), 'bbb', 'ccc'])
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
