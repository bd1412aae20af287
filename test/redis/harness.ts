import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Charge, Store } from '@postern/core/store'
import { redisStore, type RedisStoreOptions } from '@postern/redis'
import { expect, inject } from 'vitest'
import { parseSession, type Session, type SessionInput } from '../../packages/core/src/session/session.ts'
import { closeLater } from '../support/cleanup.ts'
import { redisCommand } from '../support/redis-server.ts'

const servers = inject('redis')

/** Then the tests that need one are skipped. */
export const noServer = servers === null

const ports = servers ?? { single: 0, cluster: [] }

export const single: RedisStoreOptions = { options: { host: '127.0.0.1', port: ports.single } }

export const cluster: RedisStoreOptions = {
  cluster: { nodes: ports.cluster.map((port) => ({ host: '127.0.0.1', port })) },
}

/** Deadlines are what a few tests are about; the others must not fail because the machine is busy. */
const PATIENT = { commandTimeoutMs: 5000 }

/** A store with names of its own; closed by `closeAll`. */
export function open(options: RedisStoreOptions): Store {
  const store = redisStore({ ...PATIENT, prefix: randomUUID(), ...options })
  closeLater(() => store.close())
  return store
}

/** An id nobody else uses: names of the real gateway have no prefix. */
export function newId(): string {
  return randomUUID().replaceAll('-', '')
}

export function charge(given: Partial<Charge> & Pick<Charge, 'subject'>): Charge {
  return { kind: 'sliding-window', scope: '', endpoint: '', max: 2, periodMs: 60_000, ...given }
}

export function session(given: Partial<SessionInput> = {}): Session {
  return parseSession(given, 'PSTN_SESSION_INVALID')
}

/** Waits until something holds; fails with what it found last. */
export async function eventually(check: () => unknown): Promise<void> {
  for (let i = 0; i < 500; i++) {
    try {
      await check()
      return
    } catch {
      // Not yet: the last try below says why.
    }
    await sleep(20)
  }
  await check()
}

/** Expects the rejection every failing store gives, and hands back its message. */
export async function unavailable(work: unknown): Promise<string> {
  const error: unknown = await Promise.resolve(work).then(
    (value) => ({ unexpected: value }),
    (reason: unknown) => reason,
  )
  expect(error).toMatchObject({ code: 'PSTN_STORE_UNAVAILABLE' })
  return (error as Error).message
}

/** The first line of the reply of the single server, or of the one at `port`. */
export async function ask(line: string, port: number = ports.single): Promise<string> {
  return (await redisCommand(port, line)).split('\r\n')[0]!
}
