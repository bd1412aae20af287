import { type ApiDefinitionInput, type AuthPlugin, deny, type KeyInput, type PolicyInput } from '@postern/core'
import type { Store } from '@postern/core/store'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { signalled } from '../support/promises.ts'
import { copying, type CopyingStore, fragile, type FragileStore, remote } from '../support/stores.ts'
import { envelope, settled, watchProcess } from './harness.ts'
import { type Limited, type LimitedOptions, remaining, runLimited } from './limits-harness.ts'

/* What a request was let in by may change until it is counted, and after: what the store holds then is what counts. */

const WITH_KEYS: ApiDefinitionInput = { name: 'orders', authentication: { token: true } }
const EXTRACTED: ApiDefinitionInput['authentication'] = {
  idExtractor: { source: 'header', header: 'authorization', mode: 'value' },
}
const INACTIVE = [403, envelope('Key is inactive, please renew')]
const DISALLOWED = [403, envelope('Access to this API has been disallowed')]

const inAMinute = (): number => Math.floor(Date.now() / 1_000) + 60

/** A gateway with a store of the test's making, and that store. */
async function runWith<S extends Store>(
  make: (memory: Store) => S,
  definition: ApiDefinitionInput,
  options: Omit<LimitedOptions, 'store'> = {},
): Promise<Limited & { readonly store: S }> {
  let store: S | undefined
  const limited = await runLimited(definition, { ...options, store: (memory) => (store = make(memory)) })
  return { ...limited, store: store! }
}

type TakeBack = (limited: Limited, key: string) => Promise<unknown>

const TAKEN_BACK: readonly (readonly [string, TakeBack, readonly unknown[]])[] = [
  ['revoked', ({ gateway }, key) => gateway.sessions.revoke(key), INACTIVE],
  ['deleted', ({ gateway }, key) => gateway.sessions.delete(key), DISALLOWED],
]

describe.each(['plugin', 'token'] as const)('a copied key beside an auth plugin, which is not the %s', (other) => {
  const baseIdentity = other === 'plugin' ? 'token' : 'plugin'
  const auth: AuthPlugin = () => ({ metadata: { token: 'ann' } })

  it.each(TAKEN_BACK)('lets nobody in once it was %s elsewhere', async (_, takeBack, answered) => {
    const limited = await runWith<CopyingStore>(copying, {
      name: 'orders',
      authentication: { token: true, baseIdentity },
      hooks: { auth },
    })
    const { key, id } = await limited.gateway.sessions.create()
    await limited.store.copy(id)
    expect(await limited.statuses(1, { key })).toEqual([200])
    await takeBack(limited, key)
    const { status, body } = await limited.ask({ key })
    expect([status, body, limited.reached.length]).toEqual([...answered, 1])
  })
})

describe('a copied key whose policies nobody knows here', () => {
  async function copied(): Promise<{ limited: Limited & { store: CopyingStore }; key: string }> {
    const limited = await runWith<CopyingStore>(copying, WITH_KEYS)
    const { key, id, session } = await limited.gateway.sessions.create({ alias: 'as it is' })
    const before = { ...session, applyPolicies: ['of long ago'] }
    await limited.store.save(id, before, Infinity, 'present')
    await limited.store.copy(id)
    limited.gateway.on('authFailure', () => undefined)
    return { limited, key }
  }

  it('is let in where it was changed elsewhere', async () => {
    const { limited, key } = await copied()
    await limited.gateway.sessions.update(key, { applyPolicies: [] })
    expect(await limited.statuses(2, { key })).toEqual([200, 200])
  })

  it('is refused where it is as it was, and is asked about once', async () => {
    const warnings = vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined)
    onTestFinished(() => warnings.mockRestore())
    const { limited, key } = await copied()
    limited.store.confirmed.length = 0
    const { status, body } = await limited.ask({ key })
    expect([status, body, limited.store.confirmed.length]).toEqual([...DISALLOWED, 1])
  })
})

describe('a session that changes while its request is counted', () => {
  it('all the time is taken as it was last, and the request counted once', async () => {
    let changes = 0
    const restless = (memory: Store): Store => ({
      ...memory,
      local: false,
      async take(charges, expected) {
        const stored = expected === undefined ? undefined : await memory.load(expected.id, 'confirmed')
        if (expected !== undefined && stored !== undefined && changes < 100) {
          changes += 1
          await memory.save(expected.id, { ...stored.session, alias: `change ${changes}` }, Infinity, 'present')
        }
        return memory.take(charges, expected)
      },
    })
    const aliases: unknown[] = []
    const limited = await runWith(restless, {
      ...WITH_KEYS,
      hooks: { post: [(_, { session }) => void aliases.push(session?.alias)] },
    })
    const { key } = await limited.gateway.sessions.create({ rate: 10, per: 60 })
    const answer = await limited.ask({ key })
    expect([answer.status, remaining(answer), aliases]).toEqual([200, { key: 9 }, [`change ${changes}`]])
    expect([limited.reached.length, changes]).toEqual([1, 5])
  })

  it.each<[string, (memory: Store) => Store]>([
    ['in this process', (memory) => memory],
    ['elsewhere', remote],
  ])('keeps what plugins have noted so far: a store %s', async (_, make) => {
    const seen: unknown[] = []
    let change: () => Promise<unknown> = () => Promise.resolve()
    const limited = await runWith(make, {
      ...WITH_KEYS,
      hooks: {
        postAuth: [
          async (__, { session }) => {
            session.metadata['note'] = 'noted'
            delete session.metadata['old']
            await change()
          },
        ],
        post: [(__, { session }) => void seen.push(session?.alias, session?.metadata['note'])],
      },
    })
    const { key } = await limited.gateway.sessions.create({ rate: 10, per: 60, metadata: { old: 1, kept: 1 } })
    change = () => limited.gateway.sessions.update(key, { alias: 'as it is', metadata: { old: 1, kept: 2 } })
    expect(await limited.statuses(1, { key })).toEqual([200])
    expect(seen).toEqual(['as it is', 'noted'])
    await vi.waitFor(async () => {
      const { metadata } = (await limited.gateway.sessions.get(key))!.session
      expect(metadata).toStrictEqual({ kept: 2, note: 'noted' })
    })
  })

  it.each<[string, string, () => unknown]>([
    ['no data', 'bad', () => () => 1],
    ['policies', 'policies', () => [{ rate: 1000, per: 1, accessRights: { orders: {} } }]],
  ])('is answered for as ever where plugins have noted %s, and that is not kept', async (_, name, make) => {
    const warnings = vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined)
    onTestFinished(() => warnings.mockRestore())
    let change: () => Promise<unknown> = () => Promise.resolve()
    const limited = await runWith((memory) => memory, {
      ...WITH_KEYS,
      hooks: {
        postAuth: [
          async (__, { session }) => {
            session.metadata[name] = make()
            await change()
          },
        ],
      },
    })
    const { key } = await limited.gateway.sessions.create({ rate: 10, per: 60 })
    change = () => limited.gateway.sessions.update(key, { alias: 'as it is' })
    const answer = await limited.ask({ key })
    expect([answer.status, remaining(answer)]).toEqual([200, { key: 9 }])
    await settled()
    const { alias, metadata } = (await limited.gateway.sessions.get(key))!.session
    expect([alias, metadata]).toEqual(['as it is', {}])
    expect(warnings.mock.calls.map(([text]) => String(text))).toEqual([expect.stringContaining(`metadata.${name}`)])
  })
})

describe('a request that waits for its turn', () => {
  const THROTTLED: KeyInput = { rate: 1, per: 60, throttleInterval: 0.005, throttleRetryLimit: 100_000 }

  it.each(TAKEN_BACK)('is refused when its key is %s', async (_, takeBack, answered) => {
    const limited = await runWith<FragileStore>(fragile, WITH_KEYS)
    const { key } = await limited.gateway.sessions.create(THROTTLED)
    expect(await limited.statuses(1, { key })).toEqual([200])
    const waiting = limited.ask({ key })
    await expect.poll(() => limited.store.asked.take).toBeGreaterThan(3)
    await takeBack(limited, key)
    const { status, body } = await waiting
    expect([status, body, limited.reached.length]).toEqual([...answered, 1])
  })

  it('meets the auth plugin when its id is forgotten', async () => {
    let asked = 0
    const auth: AuthPlugin = () => {
      asked += 1
      return asked === 1 ? { ...THROTTLED, idExtractorDeadline: inAMinute(), metadata: {} } : deny(401, 'Not any more')
    }
    const limited = await runWith<FragileStore>(fragile, { name: 'orders', authentication: EXTRACTED, hooks: { auth } })
    expect(await limited.statuses(1, { key: 'ann' })).toEqual([200])
    const waiting = limited.ask({ key: 'ann' })
    await expect.poll(() => limited.store.asked.take).toBeGreaterThan(3)
    await limited.gateway.sessions.forget('orders', 'ann')
    expect([(await waiting).status, asked, limited.reached.length]).toEqual([401, 2, 1])
  })
})

describe('an extracted id forgotten while the plugin is asked about it', () => {
  interface Asking extends Limited {
    readonly store: FragileStore
    /** How often the plugin was asked. */
    asked: number
    /** Lets the call that waits answer. */
    readonly go: () => void
  }

  /** `gated`: the call of the plugin that waits; answers before it vouch for nobody. */
  async function asking(gated = 1): Promise<Asking> {
    const gate = signalled()
    const auth: AuthPlugin = async () => {
      result.asked += 1
      const nth = result.asked
      if (nth === gated) await gate.promise
      return { alias: `call ${nth}`, idExtractorDeadline: nth < gated ? 0 : inAMinute(), metadata: {} }
    }
    const limited = await runWith<FragileStore>(fragile, { name: 'orders', authentication: EXTRACTED, hooks: { auth } })
    const result: Asking = { ...limited, asked: 0, go: gate.signal }
    return result
  }

  it('serves the request that asked, and is not remembered', async () => {
    const limited = await asking()
    const first = limited.atOnce(1, { key: 'ann' })
    await expect.poll(() => limited.asked).toBe(1)
    await limited.gateway.sessions.forget('orders', 'ann')
    limited.go()
    expect(await first).toEqual([200])
    expect([limited.store.asked.save, (await limited.store.list(undefined, 10)).sessions]).toEqual([0, []])
    expect([await limited.statuses(2, { key: 'ann' }), limited.asked]).toEqual([[200, 200], 2])
  })

  it('is asked about anew by whoever comes then, also while the first is not answered yet', async () => {
    const limited = await asking()
    const first = limited.atOnce(1, { key: 'ann' })
    await expect.poll(() => limited.asked).toBe(1)
    await limited.gateway.sessions.forget('orders', 'ann')
    expect([await limited.statuses(1, { key: 'ann' }), limited.asked]).toEqual([[200], 2])
    limited.go()
    expect(await first).toEqual([200])
    const { sessions } = await limited.store.list(undefined, 10)
    expect(sessions.map(({ session }) => session.alias)).toEqual(['call 2'])
  })

  it.each<[string, (limited: Asking) => Promise<unknown>]>([
    ['its name', ({ gateway }) => gateway.sessions.forget('orders', 'ann')],
    [
      'the id it is stored under',
      async ({ gateway, store }) => {
        const [stored] = (await store.list(undefined, 10)).sessions
        return gateway.sessions.delete({ id: stored!.id })
      },
    ],
  ])('is no more remembered where an earlier answer was stored, and is forgotten by %s', async (_, forget) => {
    const limited = await asking(2)
    expect(await limited.statuses(1, { key: 'ann' })).toEqual([200])
    const second = limited.atOnce(1, { key: 'ann' })
    await expect.poll(() => limited.asked).toBe(2)
    expect(await forget(limited)).toBe(true)
    limited.go()
    expect([await second, (await limited.store.list(undefined, 10)).sessions]).toEqual([[200], []])
    expect([await limited.statuses(2, { key: 'ann' }), limited.asked]).toEqual([[200, 200], 3])
  })

  it('is remembered where it was another API, whose id was forgotten', async () => {
    const limited = await asking()
    const first = limited.atOnce(1, { key: 'ann' })
    await expect.poll(() => limited.asked).toBe(1)
    await limited.gateway.sessions.forget('prices', 'ann')
    limited.go()
    expect([await first, await limited.statuses(1, { key: 'ann' }), limited.asked]).toEqual([[200], [200], 1])
  })
})

describe('the session an auth plugin made', () => {
  it.each<[string, KeyInput, ApiDefinitionInput['limits']]>([
    ['its rate', { rate: 1, per: 60 }, {}],
    ['its quota', { quotaMax: 1, quotaRenewalRate: 60 }, {}],
    ['the limit of the API', {}, { rate: 1, per: 60 }],
  ])('is not saved by requests that %s refuses, unless a plugin noted something', async (_, session, limits) => {
    let notes = 0
    const limited = await runWith<FragileStore>(fragile, {
      name: 'orders',
      limits,
      hooks: {
        auth: () => ({ ...session, metadata: { token: 'ann' } }),
        postAuth: [
          (request, context) => {
            if (request.path === '/noting') context.session.metadata['notes'] = notes += 1
          },
        ],
      },
    })
    const saves = async (path: string): Promise<readonly number[]> => {
      const before = limited.store.asked.save
      const { status } = await limited.ask({ path, key: 'ann' })
      await settled()
      return [status, limited.store.asked.save - before]
    }
    const [passed, refused, noting] = [await saves('/'), await saves('/'), await saves('/noting')]
    expect([passed[1], refused[0] === 200, refused[1], noting[1]]).toEqual([1, false, 0, 1])
  })

  it('is saved too where the key is the base identity', async () => {
    const seen: unknown[] = []
    const limited = await runLimited({
      name: 'orders',
      authentication: { token: true, baseIdentity: 'token' },
      hooks: {
        auth: (request, { session }) => {
          seen.push(session?.metadata['visits'])
          const visits = Number(session?.metadata['visits'] ?? 0) + 1
          return { metadata: { token: request.headers.get('authorization') ?? '', visits } }
        },
      },
    })
    const { key } = await limited.gateway.sessions.create()
    for (let i = 0; i < 3; i += 1) {
      expect(await limited.statuses(1, { key })).toEqual([200])
      await settled()
    }
    expect(seen).toEqual([undefined, 1, 2])
  })
})

describe('policies noted on a session', () => {
  const POLICY: PolicyInput = { rate: 1000, per: 1, accessRights: { orders: {} } }

  it.each(['postAuth', 'post', 'response'] as const)('by a %s plugin are not saved, and warned of', async (hook) => {
    const problems = watchProcess()
    const warnings = vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined)
    onTestFinished(() => warnings.mockRestore())
    const noting = (
      _: unknown,
      { session }: { readonly session?: { metadata: Record<string, unknown> } | undefined },
    ) => {
      session!.metadata['seen'] = true
      session!.metadata['policies'] = [POLICY]
    }
    const limited = await runLimited({ ...WITH_KEYS, hooks: { [hook]: [noting] } })
    const { key } = await limited.gateway.sessions.create({ rate: 5, per: 60, metadata: { tier: 'free' } })
    expect(await limited.statuses(1, { key })).toEqual([200])
    await settled()
    expect((await limited.gateway.sessions.get(key))!.session.metadata).toEqual({ tier: 'free' })
    expect(warnings.mock.calls.map(([text]) => String(text))).toEqual([expect.stringContaining('metadata.policies')])
    expect([remaining(await limited.ask({ key })), problems]).toEqual([{ key: 3 }, []])
  })

  it('are no policies where they are a list of names: that is somebody else’s field', async () => {
    const limited = await runLimited({
      ...WITH_KEYS,
      hooks: { post: [(_, { session }) => void (session!.metadata['policies'] = ['refunds'])] },
    })
    const { key } = await limited.gateway.sessions.create()
    expect(await limited.statuses(1, { key })).toEqual([200])
    await settled()
    expect((await limited.gateway.sessions.get(key))!.session.metadata).toEqual({ policies: ['refunds'] })
  })
})
