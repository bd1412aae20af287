import { type ApiDefinitionInput, type AuthPlugin, deny, type KeyInput, memoryStore, respond } from '@postern/core'
import type { Store } from '@postern/core/store'
import { beforeEach, describe, expect, it } from 'vitest'
import { remote } from '../support/stores.ts'
import { connect, envelope, listenTo, run, type Running, settled, type WireResponse } from './harness.ts'

/* Whoever names a caller need not be that caller: what the store holds serves those only for whom it was put there. */

const DISALLOWED = [403, envelope('Access to this API has been disallowed')]

const stores: readonly (readonly [string, () => Store])[] = [
  ['in this process', () => memoryStore()],
  ['elsewhere', () => remote(memoryStore())],
]

interface Asked extends Running {
  readonly ask: (credential?: string, path?: string) => Promise<WireResponse>
}

async function open(definition: ApiDefinitionInput | readonly ApiDefinitionInput[], store?: Store): Promise<Asked> {
  const running = await run(definition, { store, forward: () => respond(200, 'ok') })
  const connection = await connect(running.port)
  const ask: Asked['ask'] = async (credential, path = '/') => {
    const answer = await connection.request(
      'GET',
      path,
      credential === undefined ? [] : [`Authorization: ${credential}`],
    )
    // What the request leaves behind is stored by then.
    await settled()
    return answer
  }
  return { ...running, ask }
}

/** Sessions the plugins of a test were shown, by the credential of the request. */
const shown: [credential: string, alias: string | undefined][] = []
beforeEach(() => {
  shown.length = 0
})

/** What each credential is worth. It is not what the session calls its caller. */
const CALLERS: Readonly<Record<string, string>> = { 'secret-of-ann': 'ann', 'secret-of-bob': 'bob' }

/** Lets in whomever it knows, and does not ask again about those it let in before. */
const trusting: AuthPlugin = (request, { session }) => {
  const credential = request.headers.get('authorization') ?? ''
  shown.push([credential, session?.alias])
  if (session !== undefined) return session
  const name = CALLERS[credential]
  return name === undefined ? deny(401, 'Unknown') : { alias: name, metadata: { token: credential, tier: 'gold' } }
}

/** The same, but calls its callers by a name that is no secret. */
const naming: AuthPlugin = async (request, context) => {
  const granted = (await trusting(request, context)) as { readonly alias: string; readonly metadata: object }
  return 'metadata' in granted ? { ...granted, metadata: { ...granted.metadata, token: granted.alias } } : granted
}

describe.each(stores)('an auth plugin with a store %s', (_, makeStore) => {
  it('is shown the session of the credential it was made for, with or without Bearer', async () => {
    const { ask } = await open({ name: 'orders', hooks: { auth: trusting } }, makeStore())
    for (const credential of ['secret-of-ann', 'secret-of-ann', 'Bearer secret-of-ann', 'secret-of-bob'])
      expect((await ask(credential)).status).toBe(200)
    expect(shown).toEqual([
      ['secret-of-ann', undefined],
      ['secret-of-ann', 'ann'],
      ['Bearer secret-of-ann', 'ann'],
      ['secret-of-bob', undefined],
    ])
  })

  it('is shown nothing to whoever sends what somebody else is called', async () => {
    const { ask } = await open({ name: 'orders', hooks: { auth: naming } }, makeStore())
    expect((await ask('secret-of-ann')).status).toBe(200)
    for (const credential of ['ann', 'Bearer ann', 'secret-of-bob', ''])
      expect([credential, (await ask(credential)).status]).toEqual([
        credential,
        credential === 'secret-of-bob' ? 200 : 401,
      ])
    expect(shown.map(([, alias]) => alias)).toEqual([undefined, undefined, undefined, undefined, undefined])
  })

  it('is shown nothing where it is called as another secret: the last to be let in does not take its place', async () => {
    // Bob is called what Ann's secret is.
    const auth: AuthPlugin = (request, { session }) => {
      const credential = request.headers.get('authorization') ?? ''
      shown.push([credential, session?.alias])
      return { alias: credential, metadata: { token: 'secret-of-ann' } }
    }
    const { ask } = await open({ name: 'orders', hooks: { auth } }, makeStore())
    for (const credential of ['secret-of-bob', 'secret-of-ann', 'secret-of-bob', 'secret-of-ann']) await ask(credential)
    expect(shown).toEqual([
      ['secret-of-bob', undefined],
      ['secret-of-ann', undefined],
      ['secret-of-bob', undefined],
      ['secret-of-ann', undefined],
    ])
  })

  it('is shown nothing of another API, nor of another plugin', async () => {
    const store = makeStore()
    const { ask } = await open(
      ['orders', 'prices'].map((name) => ({
        name,
        listenPath: `/${name}`,
        hooks: { auth: { plugin: trusting, name: 'check' } },
      })),
      store,
    )
    expect((await ask('secret-of-ann', '/orders')).status).toBe(200)
    expect((await ask('secret-of-ann', '/prices')).status).toBe(200)
    for (const name of ['check', 'checkV2']) {
      const other = await open({ name: 'orders', hooks: { auth: { plugin: trusting, name } } }, store)
      expect((await other.ask('secret-of-ann')).status).toBe(200)
    }
    expect(shown.map(([, alias]) => alias)).toEqual([undefined, undefined, 'ann', undefined])
  })

  it('is shown nothing that was put there without it', async () => {
    const store = makeStore()
    const { ask } = await open({ name: 'orders', hooks: { auth: trusting } }, store)
    await ask('secret-of-ann')
    const [stored] = (await store.list(undefined, 10)).sessions
    const { extra: __, ...unproved } = stored!.session
    await store.save(stored!.id, unproved, Infinity, 'present')
    await ask('secret-of-ann')
    expect(shown.map(([, alias]) => alias)).toEqual([undefined, undefined])
  })

  it('is shown what an id it let in before comes with, and nothing to another credential with that id', async () => {
    const { ask } = await open(
      {
        name: 'orders',
        authentication: {
          idExtractor: { source: 'header', header: 'authorization', mode: 'regex', expression: '[a-z]+$' },
        },
        hooks: { auth: trusting },
      },
      makeStore(),
    )
    const met: number[] = []
    for (const credential of ['secret-of-ann', 'guess-of-ann', 'secret-of-ann'])
      met.push((await ask(credential)).status)
    expect([met, shown]).toEqual([
      [200, 401, 200],
      [
        ['secret-of-ann', undefined],
        ['guess-of-ann', undefined],
        ['secret-of-ann', 'ann'],
      ],
    ])
  })
})

describe('a key', () => {
  const WITH_KEYS: ApiDefinitionInput = { name: 'orders', authentication: { token: true } }

  it.each<[string, KeyInput]>([
    ['a certificate', { certificate: 'c0ffee' }],
    ['certificates it is bound to', { mtlsStaticCertificateBindings: ['c0ffee'] }],
  ])('with %s is refused: nobody here can see the certificate of a client', async (_, session) => {
    const { gateway, ask } = await open(WITH_KEYS)
    const { key } = await gateway.sessions.create(session)
    const { status, body } = await ask(key)
    expect([status, body]).toEqual(DISALLOWED)
    await gateway.sessions.update(key, { certificate: '', mtlsStaticCertificateBindings: [] })
    expect((await ask(key)).status).toBe(200)
  })

  it.each([
    ['acme', 'acme', 200],
    ['acme', 'other', 403],
    ['acme', '', 200],
    ['', 'other', 200],
    ['acme', 'Acme', 403],
  ])('meets an API of "%s" with its own organisation "%s": %i', async (orgId, own, status) => {
    const store = memoryStore()
    const { gateway, ask } = await open({ ...WITH_KEYS, orgId }, store)
    const { key, id, session } = await gateway.sessions.create()
    store.save(id, { ...session, orgId: own }, Infinity, 'present')
    const answer = await ask(key)
    expect([answer.status, status === 200 || answer.body === DISALLOWED[1]]).toEqual([status, true])
  })

  it('of another organisation is refused beside an auth plugin too, whose own session has no such bounds', async () => {
    const store = memoryStore()
    const auth: AuthPlugin = (request) => ({
      orgId: 'third',
      metadata: { token: request.headers.get('authorization') ?? '' },
    })
    const { gateway, ask } = await open({ ...WITH_KEYS, orgId: 'acme', hooks: { auth } }, store)
    const { key, id, session } = await gateway.sessions.create()
    expect((await ask(key)).status).toBe(200)
    store.save(id, { ...session, orgId: 'other' }, Infinity, 'present')
    const { status, body } = await ask(key)
    expect([status, body]).toEqual(DISALLOWED)
  })

  it('is never the id of a session that a plugin made, where keys are stored as they are', async () => {
    const store: Store = { ...memoryStore(), keys: { create: (_, custom) => custom ?? 'made', idsOf: (key) => [key] } }
    const { gateway, ask } = await open(
      [
        { name: 'orders', listenPath: '/orders', hooks: { auth: trusting } },
        { name: 'prices', listenPath: '/prices', authentication: { token: true } },
      ],
      store,
    )
    const failures = listenTo(gateway, 'authFailure')
    expect((await ask('secret-of-ann', '/orders')).status).toBe(200)
    const { key } = await gateway.sessions.create({}, { key: 'a-key-as-it-is' })
    expect((await ask(key, '/prices')).status).toBe(200)
    const ids = (await store.list(undefined, 10)).sessions.map(({ id }) => id).filter((id) => id !== key)
    expect(ids).toEqual([expect.stringMatching(/^caller:orders:[0-9a-f]{64}$/)])
    const { status, body } = await ask(ids[0], '/prices')
    expect([status, body, failures.map(({ code }) => code)]).toEqual([...DISALLOWED, ['PSTN_KEY_UNKNOWN']])
  })
})
