import { randomUUID } from 'node:crypto'
import type { Charge, Standing, Taken } from '@postern/core/store'
import type { RedisStoreOptions } from '@postern/redis'
import fc from 'fast-check'
import { afterEach, describe, expect, it } from 'vitest'
import { memoryStore } from '../../packages/core/src/session/memory-store.ts'
import { closeAll } from '../support/cleanup.ts'
import { charge, cluster, noServer, open, single } from './harness.ts'

afterEach(closeAll)

interface Step {
  readonly waitMs: number
  readonly act: 'take' | 'peek' | 'reset'
  readonly charges: readonly Charge[]
}

/** Limits of two subjects. A change of `max` between steps is a limit that was changed in operation. */
function limitsWith(kinds: readonly Charge['kind'][]): fc.Arbitrary<readonly Charge[]> {
  const limit = fc.record({
    kind: fc.constantFrom(...kinds),
    subject: fc.constantFrom('ann', 'api:orders'),
    scope: fc.constantFrom('', 'orders'),
    max: fc.integer({ min: 0, max: 6 }),
    periodMs: fc.constantFrom(1000, 2500, 7000),
  })
  // One counter is never counted twice by one request.
  return fc.uniqueArray(limit.map(charge), {
    minLength: 1,
    maxLength: 4,
    selector: ({ kind, subject, scope, periodMs }) => [kind, subject, scope, periodMs].join(' '),
  })
}

function stepsWith(kinds: readonly Charge['kind'][]): fc.Arbitrary<Step[]> {
  const waitMs = fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 400 }), fc.integer({ min: 400, max: 8000 }))
  const act = fc.constantFrom('take', 'take', 'take', 'take', 'peek', 'reset' as const)
  return fc.array(fc.record({ waitMs, act, charges: limitsWith(kinds) }), { minLength: 5, maxLength: 40 })
}

/** Redis counts in microseconds, rounded up. */
function close({ remaining, resetMs }: Standing): object {
  return { remaining, resetMs: resetMs === Infinity ? Infinity : expect.closeTo(resetMs, 2) }
}

const endless = charge({ subject: 'ann', kind: 'quota', max: 3, periodMs: Infinity })

async function compare(options: RedisStoreOptions, steps: readonly Step[]): Promise<void> {
  let now = 1_700_000_000_000
  const memory = memoryStore({ now: () => now })
  const redis = open({ ...options, prefix: randomUUID(), now: () => now })
  for (const { waitMs, act, charges: given } of steps) {
    now += waitMs
    const charges = given.length % 2 === 0 ? [...given, endless] : given
    if (act === 'reset') {
      memory.reset(charges)
      await redis.reset(charges)
      continue
    }
    const expected =
      act === 'take' ? (memory.take(charges) as Taken) : { refusedBy: -1, standings: memory.peek(charges) }
    const found = act === 'take' ? await redis.take(charges) : { refusedBy: -1, standings: await redis.peek(charges) }
    expect(found).toEqual({ refusedBy: expected.refusedBy, standings: expected.standings.map(close) })
  }
  await redis.close()
}

describe.skipIf(noServer)('memory and Redis decide alike', () => {
  it.each([
    ['one server', single, ['sliding-window', 'fixed-window', 'gcra', 'quota'], 100],
    ['a cluster', cluster, ['sliding-window', 'fixed-window', 'gcra', 'quota'], 20],
    ['one server, each with one kind', single, ['gcra'], 30],
    ['one server, each with one kind', single, ['sliding-window'], 30],
  ] as const)('whatever is asked, in whatever order: %s', { timeout: 30_000 }, async (_, options, kinds, numRuns) => {
    await fc.assert(
      fc.asyncProperty(stepsWith(kinds), (steps) => compare(options, steps)),
      { numRuns },
    )
  })

  it('for windows longer than one step of the search', async () => {
    const limit = charge({ subject: 'ann', max: 300, periodMs: 1000 })
    let now = 1_700_000_000_000
    const memory = memoryStore({ now: () => now })
    const redis = open({ ...single, now: () => now })
    for (let i = 0; i < 1500; i++) {
      // Bursts, pauses, and all between: every few steps another part of the window has passed.
      now += [0, 0, 1, 3, 17, 0, 0, 0, 450, 2][i % 10]! * (i % 7)
      const expected = memory.take([limit])
      expect(await redis.take([limit])).toEqual(expected)
    }
  })

  it.each(['sliding-window', 'fixed-window', 'gcra', 'quota'] as const)(
    'not even Redis gives time away when its clock is set back: %s',
    async (kind) => {
      let now = 1_700_000_000_000
      const redis = open({ ...single, now: () => now })
      const limit = charge({ subject: 'ann', kind, max: 2, periodMs: 1000 })
      await redis.take([limit])
      now -= 600
      await redis.take([limit])
      expect(await redis.take([limit])).toMatchObject({ refusedBy: 0 })
      now += 500
      expect(await redis.take([limit])).toMatchObject({ refusedBy: 0 })
      now += 1600
      expect(await redis.take([limit])).toMatchObject({ refusedBy: -1 })
    },
  )
})
