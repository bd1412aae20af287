import {
  decodeSession,
  encodeSession,
  type Expectation,
  GatewayError,
  type Session,
  type StoredSession,
} from '@postern/core/store'
import type { Connection } from './connection.ts'
import { copyOf, type Copy, RecentMap } from './copies.ts'
import { isWrongType } from './failure.ts'
import { changeMessage, type Invalidations } from './invalidations.ts'
import type { Layout } from './layout.ts'
import { sha1 } from './script.ts'
import { REMOVE, SAVE } from './session-scripts.ts'

const COPIES = 10_000
const LARGEST_BYTES = 1024 * 1024
/** A copy that was not confirmed for so long is none: with `sessions: 'pass'` it might let a deleted key in. */
const LONGEST_UNASKED_MS = 60_000

export interface Sessions {
  load(id: string, freshness: 'copy' | 'confirmed'): Promise<StoredSession | undefined> | StoredSession | undefined
  save(id: string, session: Session, lifetimeMs: number, expected: Expectation): Promise<boolean>
  remove(id: string): Promise<boolean>
  /** The store held this revision when it was asked, at `askedAt`. */
  confirm(id: string, revision: string, askedAt: number): void
  /** Another process changed that session. */
  forget(id: string): void
}

export interface SessionOptions {
  readonly connection: Connection
  readonly layout: Layout
  readonly cacheMs: number
  /** Undefined when no copy is ever used unasked. */
  readonly invalidations: () => Invalidations | undefined
  readonly channel: string
  /** The name of this process. */
  readonly process: string
}

export function sessions({ connection, layout, cacheMs, invalidations, channel, process }: SessionOptions): Sessions {
  const copies = new RecentMap<Copy>(COPIES)
  /** When ids were last found unknown. Apart from the copies: a guesser of keys must not push out what is in use. */
  const unknown = new RecentMap<number>(COPIES)
  const flights = new Map<string, Promise<StoredSession | undefined>>()
  /** How many changes there were, here or elsewhere. What was read or saved meanwhile may be the old state already. */
  let changes = 0

  /** Whether what the store said at that time still holds without asking again. */
  function holds(at: number): boolean {
    const since = invalidations()?.since
    return since !== undefined && at >= since && performance.now() - at < cacheMs
  }

  async function fetch(id: string): Promise<StoredSession | undefined> {
    const askedAt = performance.now()
    const before = changes
    const text = await read(id)
    const confirmedAt = changes === before ? askedAt : -Infinity
    if (text === undefined) {
      copies.delete(id)
      if (cacheMs > 0) unknown.set(id, confirmedAt)
      return undefined
    }
    const revision = sha1(text)
    const known = copies.get(id)
    if (known?.confirmed.revision === revision) {
      known.confirmedAt = Math.max(known.confirmedAt, confirmedAt)
      return known.confirmed
    }
    copies.delete(id)
    const copy = copyOf(decoded(text), revision, askedAt, confirmedAt)
    copies.set(id, copy)
    return copy.confirmed
  }

  async function read(id: string): Promise<string | undefined> {
    try {
      const text = await connection.command('load a session', 'get', [layout.session(id)])
      return typeof text === 'string' ? text : undefined
    } catch (error) {
      if (isWrongType(error))
        throw new GatewayError(
          'PSTN_SESSION_CORRUPT',
          'Under the name of a session there is something else; expected text.',
        )
      throw error
    }
  }

  /** Many who ask at once are answered by one question: what it saw may be older than theirs, so to them it is a copy. */
  function join(id: string): Promise<StoredSession | undefined> {
    const other = flights.get(id)
    if (other !== undefined) return other.then((found) => (found === undefined ? found : unconfirmed(id, found)))
    const flight = fetch(id).finally(() => {
      if (flights.get(id) === flight) flights.delete(id)
    })
    flights.set(id, flight)
    return flight
  }

  function unconfirmed(id: string, found: StoredSession): StoredSession {
    const copy = copies.get(id)
    return copy?.confirmed === found ? copy.unconfirmed : { ...found, confirmed: false }
  }

  /** Who asks from now on is not answered with what was asked for before. */
  function changed(id: string): void {
    changes += 1
    copies.delete(id)
    flights.delete(id)
    unknown.delete(id)
  }

  function isHeldAlready(id: string, revision: string, lifetimeMs: number): boolean {
    const copy = copies.get(id)
    if (copy === undefined || copy.confirmed.revision !== revision || !holds(copy.confirmedAt)) return false
    return copy.endsAt >= performance.now() + lifetimeMs - cacheMs
  }

  return {
    load(id, freshness) {
      if (freshness === 'copy') {
        const copy = copies.get(id)
        if (copy !== undefined && holds(copy.confirmedAt)) return copy.confirmed
        if (copy !== undefined && performance.now() - copy.confirmedAt < LONGEST_UNASKED_MS) return copy.unconfirmed
        const unknownAt = unknown.get(id)
        if (unknownAt !== undefined && holds(unknownAt)) return undefined
        return join(id)
      }
      return fetch(id)
    },
    async save(id, session, lifetimeMs, expected) {
      const text = encodeSession(session)
      const revision = sha1(text)
      if (expected === 'anything' && isHeldAlready(id, revision, lifetimeMs)) return true
      const askedAt = performance.now()
      const args = [
        text,
        lifetimeMs === Infinity ? '' : String(Math.min(Math.max(1, Math.ceil(lifetimeMs)), LONGEST_MS)),
        typeof expected === 'string' ? expected : expected.revision,
        channel,
        changeMessage(process, id),
      ]
      const known = copies.get(id)?.confirmed
      changed(id)
      const before = changes
      const saved = Number(await connection.run('save a session', SAVE, [layout.session(id)], args)) === 1
      const confirmedAt = changes === before ? askedAt : -Infinity
      changed(id)
      if (!saved) return false
      const copy = copyOf(known?.revision === revision ? known.session : session, revision, askedAt, confirmedAt)
      copy.endsAt = askedAt + lifetimeMs
      copies.set(id, copy)
      return true
    },
    async remove(id) {
      changed(id)
      const args = [channel, changeMessage(process, id)]
      const removed = Number(await connection.run('remove a session', REMOVE, [layout.session(id)], args)) === 1
      changed(id)
      return removed
    },
    confirm(id, revision, askedAt) {
      const copy = copies.get(id)
      // A copy made after the question may have been made because of a change the answer does not know.
      if (copy === undefined || copy.confirmed.revision !== revision || copy.madeAt > askedAt) return
      copy.confirmedAt = Math.max(copy.confirmedAt, askedAt)
    },
    forget: changed,
  }
}

/** Redis counts expiry in milliseconds since 1970 and refuses what does not fit. */
const LONGEST_MS = 1e15

/** Reads what is stored. */
export function decoded(text: string): Session {
  const bytes = Buffer.byteLength(text)
  if (bytes > LARGEST_BYTES)
    throw new GatewayError(
      'PSTN_SESSION_CORRUPT',
      `A stored session has ${bytes} bytes; expected at most ${LARGEST_BYTES}.`,
    )
  return decodeSession(text)
}
