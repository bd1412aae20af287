import { setTimeout as sleep } from 'node:timers/promises'
import { memoryStore } from '@postern/core'
import { GatewayError, type Store, type StoredSession } from '@postern/core/store'

/** What a gateway asks of its store while it serves requests. */
type Asked = 'load' | 'take' | 'save'

/** How a store that cannot answer says so. */
export type Failing = 'at once' | 'later' | 'after hanging' | 'by throwing'

/** A store as far away as another machine: it never answers at once. */
export function remote(near: Store): Store {
  const later = async <T>(answer: () => T | Promise<T>): Promise<T> => {
    await new Promise<void>((resolve) => setImmediate(resolve))
    return answer()
  }
  return {
    local: false,
    keys: near.keys,
    ready: () => later(() => near.ready()),
    load: (id, freshness) => later(() => near.load(id, freshness)),
    take: (charges, expected) => later(() => near.take(charges, expected)),
    peek: (charges) => later(() => near.peek(charges)),
    reset: (charges) => later(() => near.reset(charges)),
    save: (id, session, lifetimeMs, expected) => later(() => near.save(id, session, lifetimeMs, expected)),
    remove: (id) => later(() => near.remove(id)),
    list: (cursor, limit) => later(() => near.list(cursor, limit)),
    close: () => later(() => near.close()),
  }
}

/** A store that can be away. */
export interface FragileStore extends Store {
  /** What it cannot answer, and how it says so. */
  down: ReadonlySet<Asked>
  failing: Failing
  /** How often it was asked, answered or not. */
  readonly asked: Record<Asked, number>
}

export const EVERYTHING: ReadonlySet<Asked> = new Set<Asked>(['load', 'take', 'save'])
export const NOTHING: ReadonlySet<Asked> = new Set<Asked>()
export const COUNTING: ReadonlySet<Asked> = new Set<Asked>(['take'])
export const SAVING: ReadonlySet<Asked> = new Set<Asked>(['save'])

export function fragile(behind: Store = memoryStore()): FragileStore {
  const answer = <T>(what: Asked, ask: () => T | Promise<T>): T | Promise<T> => {
    store.asked[what] += 1
    return store.down.has(what) ? unavailable(store.failing) : ask()
  }
  const store: FragileStore = {
    ...behind,
    local: false,
    down: NOTHING,
    failing: 'later',
    asked: { load: 0, take: 0, save: 0 },
    load: (id, freshness) => answer('load', () => behind.load(id, freshness)),
    take: (charges, expected) => answer('take', () => behind.take(charges, expected)),
    save: (id, session, lifetimeMs, expected) => answer('save', () => behind.save(id, session, lifetimeMs, expected)),
  }
  return store
}

function unavailable(failing: Failing): Promise<never> {
  const error = new GatewayError('PSTN_STORE_UNAVAILABLE', 'The store does not answer.')
  if (failing === 'by throwing') throw error
  if (failing === 'at once') return Promise.reject(error)
  return sleep(failing === 'later' ? 1 : 30).then(() => {
    throw error
  })
}

/** A store of which this process keeps copies that nobody tells it to forget. */
export interface CopyingStore extends Store {
  /** Keeps a copy of what the store holds under this id now; from then on it serves wherever a copy will do. */
  copy(id: string): Promise<void>
  /** What the store itself was asked for. */
  readonly confirmed: string[]
  readonly takes: number
}

export function copying(behind: Store = memoryStore()): CopyingStore {
  const copies = new Map<string, StoredSession>()
  const confirmed: string[] = []
  let takes = 0
  return {
    ...behind,
    local: false,
    confirmed,
    get takes() {
      return takes
    },
    async copy(id) {
      const stored = await behind.load(id, 'confirmed')
      if (stored === undefined) throw new Error('There is nothing to copy.')
      copies.set(id, { ...stored, confirmed: false })
    },
    load(id, freshness) {
      const copy = freshness === 'copy' ? copies.get(id) : undefined
      if (copy === undefined) confirmed.push(id)
      return copy ?? behind.load(id, freshness)
    },
    take(charges, expected) {
      takes += 1
      return behind.take(charges, expected)
    },
  }
}
