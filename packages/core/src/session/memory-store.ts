import { describe, GatewayError } from '../errors.ts'
import { MemoryCounters } from '../limits/memory-counters.ts'
import { roundOf } from '../limits/round.ts'
import { type Clock, processClock, steadyClock } from '../limits/steady-clock.ts'
import { suggest } from '../nearest.ts'
import { privateKeys } from './key-scheme.ts'
import type { Expectation, Store, StoredSession } from './store.ts'

export interface MemoryStoreOptions {
  /** Sessions kept; beyond them one that was not used lately goes, and with it its key. Default: 100,000. */
  readonly sessionCapacity?: number | undefined
  /** Counters kept; beyond them one of those that end soonest goes, and what it counted. Default: 1,000,000. */
  readonly counterCapacity?: number | undefined
  /** Milliseconds since the Unix epoch. Default: the time of day at the start of the process, counted on steadily. */
  readonly now?: Clock | undefined
}

/** A store that answers at once. */
export type MemoryStore = {
  readonly [K in keyof Store]: Store[K] extends (...args: infer A) => infer R
    ? (...args: A) => Exclude<R, Promise<unknown>>
    : Store[K]
} & {
  /** What was forgotten while in use, for want of room. */
  readonly evicted: { readonly sessions: number; readonly counters: number }
}

interface Entry {
  readonly stored: StoredSession
  /** Grows from entry to entry, in the order of the map. */
  readonly place: number
  /** Milliseconds of the store's clock. */
  readonly expiresAt: number
  /** The later it was used, the larger. */
  usedAt: number
}

/** How many sessions are looked at, to drop the expired, each time one is saved: more than one, so that the end is reached. */
const SWEPT_EACH_TIME = 2

/** How many are looked at to choose which one goes: nearly the least recently used one, without reordering on every load. */
const CANDIDATES = 8

/** Sessions and counters of this process. They end with it, and no other process sees them. */
export function memoryStore(options: MemoryStoreOptions = {}): MemoryStore {
  checkOptions(options)
  const sessionCapacity = capacity('sessionCapacity', options.sessionCapacity, 100_000)
  const clock = options.now ?? processClock
  const now = steadyClock(clock)
  const counters = new MemoryCounters(capacity('counterCapacity', options.counterCapacity, 1_000_000), clock)
  const entries = new Map<string, Entry>()
  const nextEntry = roundOf(entries)
  let saved = 0
  let uses = 0
  let evicted = 0

  const find = (id: string): Entry | undefined => {
    const entry = entries.get(id)
    if (entry === undefined || entry.expiresAt === Infinity || entry.expiresAt > now()) return entry
    entries.delete(id)
    return undefined
  }

  const sweep = (): void => {
    const time = now()
    for (let i = 0; i < SWEPT_EACH_TIME; i++) {
      const next = nextEntry()
      if (next !== undefined && next[1].expiresAt <= time) entries.delete(next[0])
    }
    if (entries.size <= sessionCapacity) return
    const candidates = Array.from({ length: CANDIDATES }, () => nextEntry()!)
    const worth = ([, { expiresAt, usedAt }]: (typeof candidates)[number]): number => (expiresAt > time ? usedAt : 0)
    const [id, { expiresAt }] = candidates.reduce((least, one) => (worth(one) < worth(least) ? one : least))
    entries.delete(id)
    if (expiresAt > time) evicted += 1
  }

  return {
    local: true,
    keys: privateKeys,
    get evicted() {
      return { sessions: evicted, counters: counters.evicted }
    },
    ready() {
      // Memory is always there.
    },
    load(id) {
      const entry = find(id)
      if (entry === undefined) return undefined
      entry.usedAt = ++uses
      return entry.stored
    },
    take(charges, expected) {
      if (expected !== undefined && find(expected.id)?.stored.revision !== expected.revision) return 'changed'
      return counters.take(charges)
    },
    peek: (charges) => counters.peek(charges),
    reset: (charges) => counters.reset(charges),
    save(id, session, lifetimeMs, expected) {
      const entry = find(id)
      if (!isExpected(entry?.stored, expected)) return false
      saved += 1
      const stored =
        entry?.stored.session === session
          ? entry.stored
          : Object.freeze({ session, revision: String(saved), confirmed: true })
      entries.set(id, { stored, place: entry?.place ?? saved, expiresAt: now() + lifetimeMs, usedAt: ++uses })
      sweep()
      return true
    },
    remove(id) {
      return find(id) !== undefined && entries.delete(id)
    },
    list(cursor, limit) {
      // What is added while somebody turns the pages is on none of them: so there is a last page.
      const { after, upTo } = cursor === undefined ? { after: 0, upTo: saved } : parseCursor(cursor)
      const time = now()
      const sessions: { readonly id: string; readonly session: StoredSession['session'] }[] = []
      let last = after
      for (const [id, { stored, place, expiresAt }] of entries) {
        if (place <= after || expiresAt <= time) continue
        if (place > upTo) break
        if (sessions.length >= Math.max(1, limit)) return { sessions, cursor: `${last}-${upTo}` }
        sessions.push({ id, session: stored.session })
        last = place
      }
      return { sessions, cursor: undefined }
    },
    close() {
      // Nothing is open.
    },
  }
}

function isExpected(stored: StoredSession | undefined, expected: Expectation): boolean {
  if (expected === 'anything') return true
  if (expected === 'absent') return stored === undefined
  if (expected === 'present') return stored !== undefined
  return stored?.revision === expected.revision
}

function parseCursor(cursor: string): { readonly after: number; readonly upTo: number } {
  const [, after, upTo] = /^(\d+)-(\d+)$/.exec(cursor) ?? []
  if (after !== undefined && upTo !== undefined) return { after: Number(after), upTo: Number(upTo) }
  throw new GatewayError('PSTN_VALUE_INVALID', `The cursor is ${describe(cursor)}; expected one that \`list\` gave.`)
}

function capacity(name: string, value: number | undefined, ordinary: number): number {
  if (value === undefined) return ordinary
  if (Number.isSafeInteger(value) && value >= 1) return value
  throw new GatewayError(
    'PSTN_OPTIONS_INVALID',
    `memoryStore: \`${name}\` is ${describe(value)}; expected an integer, 1 or more.`,
  )
}

const KNOWN_OPTIONS = ['sessionCapacity', 'counterCapacity', 'now']

function checkOptions(options: unknown): void {
  if (typeof options !== 'object' || options === null)
    throw new GatewayError(
      'PSTN_OPTIONS_INVALID',
      `memoryStore() was given ${describe(options)}; expected an object with ${KNOWN_OPTIONS.join(', ')}.`,
    )
  const unknown = Object.keys(options).find((name) => !KNOWN_OPTIONS.includes(name))
  if (unknown !== undefined)
    throw new GatewayError(
      'PSTN_OPTIONS_INVALID',
      `memoryStore() has no option "${unknown}"; ${suggest(unknown, KNOWN_OPTIONS)}.`,
    )
}
