import { AsyncLocalStorage } from 'node:async_hooks'
import type { Socket } from 'node:net'
import { setImmediate as endOfTurn } from 'node:timers/promises'
import { promisify } from 'node:util'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { writeThisTurn, writeWaiting } from '../../packages/http/src/turn-writes.ts'
import { closeAll } from '../support/cleanup.ts'
import { socketPair } from '../support/socket-pair.ts'
import { uncaughtDuring } from '../support/uncaught.ts'

const nextTick = promisify((done: () => void) => process.nextTick(done))

// A slow machine is late by itself.
let now = 0
beforeEach(() => void vi.spyOn(performance, 'now').mockImplementation(() => now))

afterEach(async () => {
  vi.restoreAllMocks()
  await closeAll()
})

/** So many connections; `said` is what happens to them, in order. */
async function connections(count: number): Promise<{
  readonly sockets: readonly Socket[]
  readonly said: string[]
  /** Writes the number of a connection to it, and notes when that is done. */
  readonly write: (i: number) => void
}> {
  const said: string[] = []
  const sockets: Socket[] = []
  for (let i = 0; i < count; i += 1) {
    const { near: socket, far } = await socketPair()
    far.resume()
    const write = socket._write.bind(socket)
    socket._write = (chunk, encoding, done) => {
      said.push(`write ${i}`)
      write(chunk, encoding, done)
    }
    sockets.push(socket)
  }
  return { sockets, said, write: (i) => writeThisTurn(sockets[i]!, String(i), () => void said.push(`done ${i}`)) }
}

describe('what is written in one turn', () => {
  it('leaves at its end, all of it before anybody hears of that', async () => {
    const { said, write } = await connections(3)
    for (const i of [2, 0, 1]) write(i)
    expect(said).toEqual([])
    await endOfTurn()
    expect(said).toEqual(['write 2', 'write 0', 'write 1', 'done 2', 'done 0', 'done 1'])
  })

  it('leaves when others come late, and is done before anything else happens', async () => {
    const { said, write } = await connections(2)
    write(0)
    now += 5
    write(1)
    expect(said).toEqual(['write 0'])
    await nextTick()
    expect(said).toEqual(['write 0', 'done 0'])
    await endOfTurn()
    expect(said.slice(2)).toEqual(['write 1', 'done 1'])
  })

  it('leaves at once where long work begins', async () => {
    const { said, write } = await connections(2)
    for (const i of [0, 1]) write(i)
    writeWaiting()
    expect(said).toEqual(['write 0', 'write 1'])
    await nextTick()
    expect(said.slice(2)).toEqual(['done 0', 'done 1'])
  })

  it('may be written to again by whoever hears that it is done', async () => {
    const { sockets, said, write } = await connections(2)
    writeThisTurn(sockets[0]!, 'x', () => write(0))
    write(1)
    await endOfTurn()
    await endOfTurn()
    expect(said).toEqual(['write 0', 'write 1', 'done 1', 'write 0', 'done 0'])
  })

  it('is heard of where it was asked for', async () => {
    const { sockets } = await connections(3)
    const store = new AsyncLocalStorage<number>()
    const heard: unknown[] = []
    for (const [i, socket] of sockets.entries())
      store.run(i, () => writeThisTurn(socket, 'x', () => void heard.push([i, store.getStore()])))
    await endOfTurn()
    expect(heard).toEqual([
      [0, 0],
      [1, 1],
      [2, 2],
    ])
  })

  it('ends for all, whoever throws over his', async () => {
    const { sockets, said, write } = await connections(2)
    const thrown = await uncaughtDuring(async () => {
      writeThisTurn(sockets[0]!, 'x', () => {
        throw new Error('mine')
      })
      write(1)
      await endOfTurn()
      await endOfTurn()
    })
    expect([thrown.map(({ message }) => message), said]).toEqual([['mine'], ['write 0', 'write 1', 'done 1']])
  })

  it('fails by itself where somebody in between throws', async () => {
    const { sockets, said, write } = await connections(2)
    sockets[0]!._write = () => {
      throw new Error('broken')
    }
    const heard: unknown[] = []
    writeThisTurn(sockets[0]!, 'x', (error) => void heard.push(error?.message))
    write(1)
    await endOfTurn()
    expect([heard, said]).toEqual([['broken'], ['write 1', 'done 1']])
  })
})
