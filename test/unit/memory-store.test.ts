import { describe, expect, it } from 'vitest'
import type { Charge } from '../../packages/core/src/limits/charge.ts'
import { digest } from '../../packages/core/src/session/key-scheme.ts'
import { type MemoryStoreOptions, memoryStore } from '../../packages/core/src/session/memory-store.ts'
import { parseSession, type Session } from '../../packages/core/src/session/session.ts'

function session(alias: string): Session {
  return parseSession({ alias }, 'PSTN_SESSION_INVALID')
}

/** A store whose clock stands at 1,000,000 until it is moved. */
function storeAt(options: MemoryStoreOptions = {}) {
  let now = 1_000_000
  const store = memoryStore({ ...options, now: () => now })
  return { store, at: (ms: number) => void (now = 1_000_000 + ms) }
}

const limit: Charge = { kind: 'quota', subject: 'id', scope: '', endpoint: '', max: 2, periodMs: 1000 }

describe('a session in memory', () => {
  it('comes back as it was saved, the same object each time', () => {
    const { store } = storeAt()
    const saved = session('a')
    expect(store.save('id', saved, Infinity, 'anything')).toBe(true)
    const loaded = store.load('id', 'copy')
    expect(loaded?.session).toBe(saved)
    expect(loaded?.confirmed).toBe(true)
    expect(store.load('id', 'confirmed')).toBe(loaded)
    expect(store.load('other', 'copy')).toBeUndefined()
  })

  it('has another revision once it changed, and the same when the same object is saved again', () => {
    const { store } = storeAt()
    const first = session('a')
    const revision = (): string | undefined => store.load('id', 'copy')?.revision
    store.save('id', first, Infinity, 'anything')
    const before = revision()
    store.save('id', first, 500, 'anything')
    expect(revision()).toBe(before)
    store.save('id', session('a'), Infinity, 'anything')
    expect(revision()).not.toBe(before)
  })

  it('has a revision nobody met before when it was removed and saved again', () => {
    const { store } = storeAt()
    const one = session('a')
    store.save('id', one, Infinity, 'anything')
    const before = store.load('id', 'copy')!.revision
    store.remove('id')
    store.save('id', one, Infinity, 'anything')
    expect(store.load('id', 'copy')!.revision).not.toBe(before)
  })

  it('is gone when its lifetime is over', () => {
    const { store, at } = storeAt()
    store.save('id', session('a'), 1000, 'anything')
    store.save('kept', session('b'), Infinity, 'anything')
    at(999)
    expect(store.load('id', 'copy')).toBeDefined()
    at(1000)
    expect([
      store.load('id', 'copy'),
      store.remove('id'),
      store.list(undefined, 10).sessions.map(({ id }) => id),
    ]).toEqual([undefined, false, ['kept']])
  })

  it('lives anew from each time it is saved', () => {
    const { store, at } = storeAt()
    const one = session('a')
    store.save('id', one, 1000, 'anything')
    at(900)
    store.save('id', one, 1000, 'present')
    at(1899)
    expect(store.load('id', 'copy')).toBeDefined()
    at(1900)
    expect(store.load('id', 'copy')).toBeUndefined()
  })

  it('is removed once', () => {
    const { store } = storeAt()
    store.save('id', session('a'), Infinity, 'anything')
    expect([store.remove('id'), store.remove('id'), store.load('id', 'confirmed')]).toEqual([true, false, undefined])
  })

  it('is saved only where what is stored is what was expected', () => {
    const { store } = storeAt()
    const [one, two, three] = [session('1'), session('2'), session('3')]
    expect(store.save('id', one, Infinity, 'present')).toBe(false)
    expect(store.save('id', one, Infinity, { revision: '1' })).toBe(false)
    expect(store.save('id', one, Infinity, 'absent')).toBe(true)
    expect(store.save('id', two, Infinity, 'absent')).toBe(false)
    const { revision } = store.load('id', 'copy')!
    expect(store.save('id', two, Infinity, { revision })).toBe(true)
    expect(store.save('id', three, Infinity, { revision })).toBe(false)
    expect(store.load('id', 'copy')?.session).toBe(two)
    expect(store.save('id', three, Infinity, 'present')).toBe(true)
    expect(store.load('id', 'copy')?.session).toBe(three)
  })

  it('counts as absent once its lifetime is over', () => {
    const { store, at } = storeAt()
    store.save('id', session('a'), 1000, 'anything')
    const { revision } = store.load('id', 'copy')!
    at(1000)
    expect(store.save('id', session('b'), 1000, 'present')).toBe(false)
    expect(store.save('id', session('b'), 1000, { revision })).toBe(false)
    expect(store.save('id', session('b'), 1000, 'absent')).toBe(true)
  })
})

describe('a charge in memory', () => {
  it('is counted where the session is the one expected', () => {
    const { store } = storeAt()
    store.save('id', session('a'), Infinity, 'anything')
    const expected = { id: 'id', revision: store.load('id', 'copy')!.revision }
    expect(store.take([limit], expected)).toEqual({ refusedBy: -1, standings: [{ remaining: 1, resetMs: 1000 }] })
    store.save('id', session('b'), Infinity, 'anything')
    expect(store.take([limit], expected)).toBe('changed')
    store.remove('id')
    expect(store.take([limit], expected)).toBe('changed')
    expect(store.peek([limit])).toEqual([{ remaining: 1, resetMs: 1000 }])
  })

  it('is not counted for a session whose lifetime is over', () => {
    const { store, at } = storeAt()
    store.save('id', session('a'), 100, 'anything')
    const expected = { id: 'id', revision: store.load('id', 'copy')!.revision }
    at(100)
    expect(store.take([limit], expected)).toBe('changed')
  })

  it('is refused beyond its limit until it is reset', () => {
    const { store } = storeAt()
    const passed = (): boolean => {
      const taken = store.take([limit])
      return taken !== 'changed' && taken.refusedBy === -1
    }
    expect([passed(), passed(), passed()]).toEqual([true, true, false])
    store.reset([limit])
    expect(passed()).toBe(true)
  })
})

describe('the capacity for sessions', () => {
  it('lets the one go that was not used for longest, and tells', () => {
    const { store } = storeAt({ sessionCapacity: 3 })
    const stored = (ids: string): string =>
      [...ids].filter((id) => store.list(undefined, 10).sessions.some((one) => one.id === id)).join('')
    for (const id of 'abcd') store.save(id, session(id), Infinity, 'anything')
    expect([stored('abcd'), store.evicted.sessions]).toEqual(['bcd', 1])
    store.load('b', 'copy')
    store.save('e', session('e'), Infinity, 'anything')
    store.save('d', session('d2'), Infinity, 'anything')
    store.save('f', session('f'), Infinity, 'anything')
    expect([stored('abcdef'), store.evicted.sessions]).toEqual(['def', 3])
  })

  it('spares what is in use, among many as well', () => {
    const { store } = storeAt({ sessionCapacity: 200 })
    store.save('busy', session('busy'), Infinity, 'anything')
    for (let i = 0; i < 5000; i++) {
      store.save(`id${i}`, session('x'), Infinity, 'anything')
      if (i % 50 === 0) store.load('busy', 'copy')
    }
    // Once evicted it would not come back.
    expect([store.load('busy', 'copy')?.session.alias, store.evicted.sessions]).toEqual(['busy', 4801])
  })

  it('lets the expired go first, which is no eviction', () => {
    const { store, at } = storeAt({ sessionCapacity: 100 })
    for (let i = 0; i < 100; i++) store.save(`old${i}`, session('old'), 1000, 'anything')
    at(1000)
    for (let i = 0; i < 100; i++) store.save(`new${i}`, session('new'), 1000, 'anything')
    expect(store.evicted.sessions).toBe(0)
    expect(store.list(undefined, 1000).sessions).toHaveLength(100)
  })

  it('holds for as long as sessions come in', () => {
    const { store } = storeAt({ sessionCapacity: 10 })
    for (let i = 0; i < 1000; i++) {
      store.save(`id${i}`, session('x'), Infinity, 'anything')
      expect(store.load(`id${i}`, 'copy')).toBeDefined()
    }
    expect([store.list(undefined, 1000).sessions.length, store.evicted.sessions]).toEqual([10, 990])
  })
})

describe('the list of sessions', () => {
  it('has every session once, page by page', () => {
    const { store } = storeAt()
    const ids = Array.from({ length: 25 }, (_, i) => `id${i}`)
    for (const id of ids) store.save(id, session(id), Infinity, 'anything')
    const pages: string[][] = []
    let cursor: string | undefined
    do {
      const page = store.list(cursor, 10)
      pages.push(page.sessions.map(({ id, session: { alias } }) => (id === alias ? id : 'another')))
      cursor = page.cursor
    } while (cursor !== undefined)
    expect(pages.map((page) => page.length)).toEqual([10, 10, 5])
    expect(pages.flat().toSorted()).toEqual(ids.toSorted())
  })

  it('ends although sessions are added, changed and removed while the pages are turned', () => {
    const { store } = storeAt()
    for (let i = 0; i < 20; i++) store.save(`id${i}`, session('x'), Infinity, 'anything')
    const seen: string[] = []
    let cursor: string | undefined
    for (let page = 0; page < 50; page++) {
      const { sessions, cursor: next } = store.list(cursor, 4)
      seen.push(...sessions.map(({ id }) => id))
      for (let i = 0; i < 10; i++) store.save(`new${page}-${i}`, session('y'), Infinity, 'anything')
      store.save('id0', session('changed'), Infinity, 'anything')
      store.remove('id7')
      cursor = next
      if (cursor === undefined) break
    }
    expect(cursor).toBeUndefined()
    expect(seen).toHaveLength(new Set(seen).size)
    expect(seen.filter((id) => id.startsWith('new'))).toEqual([])
    expect(seen).toHaveLength(19 + Number(seen.includes('id7')))
  })

  it('has one page without a cursor where all fit', () => {
    const { store } = storeAt()
    expect(store.list(undefined, 10)).toEqual({ sessions: [], cursor: undefined })
    store.save('id', session('a'), Infinity, 'anything')
    expect(store.list(undefined, 1).cursor).toBeUndefined()
    expect(store.list(undefined, 0).sessions).toHaveLength(1)
  })

  it('takes no cursor it did not give', () => {
    const { store } = storeAt()
    expect(() => store.list('page 2', 10)).toThrow('The cursor is "page 2"; expected one that `list` gave.')
  })
})

describe('the memory store', () => {
  it('answers at once and keeps keys as digests only', () => {
    const { store } = storeAt()
    const key = store.keys.create('org')
    expect([store.local, store.ready(), store.close(), store.keys.idsOf(key, 'org')]).toEqual([
      true,
      undefined,
      undefined,
      [digest(key)],
    ])
  })

  it('counts by the process clock where none is given', () => {
    const store = memoryStore()
    expect(store.take([{ ...limit, max: 1, periodMs: Infinity }])).toEqual({
      refusedBy: -1,
      standings: [{ remaining: 0, resetMs: Infinity }],
    })
    store.save('id', session('a'), 3_600_000, 'anything')
    expect(store.load('id', 'copy')).toBeDefined()
  })

  it('tells how many counters it forgot for want of room', () => {
    const { store } = storeAt({ counterCapacity: 1 })
    store.take([limit, { ...limit, subject: 'other' }])
    expect(store.evicted).toEqual({ sessions: 0, counters: 1 })
  })

  it.each([0, -1, 1.5, Infinity, Number.NaN])('takes no capacity of %d', (value) => {
    expect(() => memoryStore({ sessionCapacity: value })).toThrow(
      `memoryStore: \`sessionCapacity\` is ${value}; expected an integer, 1 or more.`,
    )
    expect(() => memoryStore({ counterCapacity: value })).toThrow('counterCapacity')
  })

  it.each([
    ['capacity', 'memoryStore() has no option "capacity"; known: sessionCapacity, counterCapacity, now.'],
    ['counters', 'memoryStore() has no option "counters"; known: sessionCapacity, counterCapacity, now.'],
  ])('has no option %s', (name, message) => {
    expect(() => memoryStore({ [name]: 5 })).toThrow(expect.objectContaining({ code: 'PSTN_OPTIONS_INVALID', message }))
  })

  it.each<[string, unknown]>([
    ['null', null],
    ['5', 5],
    ['"redis://localhost"', 'redis://localhost'],
  ])('takes no options that are %s', (found, options) => {
    expect(() => memoryStore(options as MemoryStoreOptions)).toThrow(
      expect.objectContaining({
        code: 'PSTN_OPTIONS_INVALID',
        message: `memoryStore() was given ${found}; expected an object with sessionCapacity, counterCapacity, now.`,
      }),
    )
  })

  it('may be told undefined for what it decides itself', () => {
    expect(memoryStore({ sessionCapacity: undefined, counterCapacity: undefined, now: undefined }).evicted).toEqual({
      sessions: 0,
      counters: 0,
    })
  })
})
