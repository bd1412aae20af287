import { memoryStore } from '@postern/core'
import { digest } from '@postern/core/store'
import { expect, it } from 'vitest'
import { decoded } from '../../packages/redis/src/sessions.ts'
import { send } from '../support/client.ts'
import { rawExchange } from '../support/raw-client.ts'
import { remote } from '../support/stores.ts'
import { warningsDuring } from '../support/warnings.ts'
import { attack, besiege, cleanUpAfterAttacks, envelope } from './attack.ts'
import { authentication } from './catalogue/e.ts'

cleanUpAfterAttacks()

const TOKEN = { authentication: { token: true } } as const
const withKey = (authorization: string) => ({ headers: { authorization } })

attack(authentication, 'E04', (mount) => {
  const CORRUPT: readonly (readonly [what: string, document: string])[] = [
    ['no JSON', 'nonsense'],
    ['cut off', '{"alias":"ann'],
    ['empty', ''],
    ['null', 'null'],
    ['a list', '[{"alias":"ann"}]'],
    ['a text', '"ann"'],
    ['a number for a text', '{"alias":5}'],
    ['a text for a number', '{"rate":"5","per":1}'],
    ['a text for a flag', '{"is_inactive":"no"}'],
    ['a list for rights', '{"access_rights":[]}'],
    ['__proto__ in its metadata', '{"meta_data":{"__proto__":{"polluted":true}}}'],
    ['10 MB', JSON.stringify({ alias: 'x'.repeat(10_000_000) })],
  ]
  const HARMLESS: readonly (readonly [what: string, document: string])[] = [
    ['__proto__', '{"__proto__":{"polluted":true},"alias":"ann"}'],
    ['constructor.prototype', '{"constructor":{"prototype":{"polluted":true}},"alias":"ann"}'],
    ['names twice', '{"alias":"bob","alias":"ann"}'],
  ]

  /** A store of documents, read as that of Redis reads them. */
  const stored = (documents: readonly (readonly [string, string])[]) => {
    const byId = new Map(documents.map(([key, document]) => [digest(key.replaceAll(' ', '-')), document]))
    const behind = remote(memoryStore())
    return {
      ...behind,
      load: async (id: string) => {
        const document = byId.get(id)
        return document === undefined ? undefined : { session: decoded(document), revision: id, confirmed: true }
      },
      take: () => Promise.resolve({ refusedBy: -1, standings: [] }),
    }
  }

  it('its key alone is refused', async () => {
    const store = stored([...CORRUPT, ...HARMLESS, ['good', '{"alias":"ann"}']])
    const siege = await besiege(mount, TOKEN, { options: { store } })
    const errors: string[] = []
    siege.gateway.on('storeError', ({ outcome, error }) => void errors.push(`${outcome} ${error.code}`))
    for (const [i, [what]] of CORRUPT.entries()) {
      const { status, text } = await send(siege.url, '/', withKey(what.replaceAll(' ', '-')))
      expect([what, status, text]).toEqual([what, 403, envelope('Access to this API has been disallowed')])
      expect([what, errors.length, errors.at(-1)]).toEqual([what, i + 1, 'refused PSTN_SESSION_CORRUPT'])
    }
    for (const [what] of [...HARMLESS, ['good']] as const) {
      const { status } = await send(siege.url, '/', withKey(what.replaceAll(' ', '-')))
      expect([what, status, siege.gateway.records.list().at(-1)!.alias]).toEqual([what, 200, 'ann'])
    }
    expect('polluted' in {}).toBe(false)
  })
})

attack(authentication, 'E05', (mount) => {
  const WRITES: readonly (readonly [
    what: string,
    write: (metadata: Record<string, unknown>) => void,
    named: string,
  ])[] = [
    ['assigns __proto__', (metadata) => (metadata['__proto__'] = { polluted: true }), 'metadata'],
    [
      'defines __proto__',
      (metadata) =>
        Object.defineProperty(metadata, '__proto__', { value: { polluted: true }, enumerable: true, writable: true }),
      'metadata has a field "__proto__"',
    ],
    ['an object that contains itself', (metadata) => (metadata['self'] = metadata), 'metadata.self contains itself'],
    ['a bigint', (metadata) => (metadata['big'] = 1n), 'metadata.big'],
    ['a function', (metadata) => (metadata['run'] = () => undefined), 'metadata.run'],
    ['NaN', (metadata) => (metadata['much'] = Number.NaN), 'metadata.much'],
    ['a date', (metadata) => (metadata['at'] = new Date(0)), 'metadata.at'],
    ['too deep', (metadata) => (metadata['deep'] = nested(100)), 'levels deep'],
    [
      'a getter that throws',
      (metadata) =>
        Object.defineProperty(metadata, 'trap', {
          enumerable: true,
          get: () => {
            throw new Error('SECRET')
          },
        }),
      'SECRET',
    ],
  ]

  function nested(levels: number): object {
    let inner: object = {}
    for (let i = 0; i < levels; i += 1) inner = { inner }
    return inner
  }

  it('nothing of it is stored', async () => {
    for (const [what, write, named] of WRITES) {
      const warnings = await warningsDuring(async () => {
        const siege = await besiege(mount, {
          ...TOKEN,
          hooks: {
            postAuth: [
              (_, { session }) => {
                write(session.metadata)
              },
            ],
          },
        })
        const { key } = await siege.gateway.sessions.create({ metadata: { tier: 'gold' } })
        // The answer is out when a session is saved: it cannot be the client's problem any more.
        for (let i = 0; i < 2; i += 1)
          expect([what, (await send(siege.url, '/', withKey(key))).status]).toEqual([what, 200])
        await expect.poll(() => siege.gateway.records.list().length).toBe(2)
        const found = await siege.gateway.sessions.get(key)
        expect([what, found?.session.metadata]).toEqual([what, { tier: 'gold' }])
      })
      expect([what, warnings]).toEqual([what, [expect.stringContaining(named)]])
      expect('polluted' in {}).toBe(false)
    }
  })
})

attack(authentication, 'E09', (mount) => {
  const WAYS = [
    ['revoked', 403],
    ['deleted', 403],
    ['restricted', 403],
    ['expired', 401],
  ] as const

  it.each(WAYS)('%s elsewhere', async (way, refused) => {
    const store = remote(memoryStore())
    const options = { store }
    const admin = await mount({ name: 'a', ...TOKEN }, { options })
    const siege = await besiege(mount, TOKEN, { options })
    const { sessions } = admin.gateway
    const { key } = await sessions.create({ rate: 10_000, per: 1 })
    const takeBack = {
      revoked: () => sessions.revoke(key),
      deleted: () => sessions.delete(key),
      restricted: () => sessions.update(key, { accessRights: { other: {} } }),
      expired: () => sessions.update(key, { expires: Math.floor(Date.now() / 1_000) - 2 }),
    }
    let gone = false
    const after: number[] = []
    const before: number[] = []
    const caller = async (): Promise<void> => {
      while (after.length < 20) {
        const late = gone
        const { status } = await send(siege.url, '/', withKey(key))
        if (late) after.push(status)
        else before.push(status)
      }
    }
    const callers = Promise.all(Array.from({ length: 5 }, caller))
    await expect.poll(() => before.length).toBeGreaterThan(5)
    await takeBack[way]()
    gone = true
    await callers
    expect(before).toContain(200)
    expect(new Set(after)).toEqual(new Set([refused]))
    expect(before.filter((status) => status !== 200 && status !== refused)).toEqual([])
  })
})

attack(authentication, 'E15', (mount) => {
  it('says no key', async () => {
    const said: unknown[] = []
    const keys: string[] = []
    const warnings = await warningsDuring(async () => {
      const log = (...given: unknown[]): number => said.push(given)
      const options = { log: { debug: log, info: log, warn: log, error: log } }
      const token = { token: { query: 'key', cookie: 'key' } }
      const definition = {
        authentication: token,
        limits: { rate: 100, per: 60 },
        hooks: {
          postAuth: [
            ({ path }: { path: string }, context: { log: { info: (text: string) => void } }) => {
              context.log.info('somebody is in')
              if (path === '/throw') throw new Error('broken')
            },
          ],
        },
      }
      const siege = await besiege(mount, definition, { options })
      const events = [
        'authFailure',
        'pluginError',
        'keyExpired',
        'rateLimitExceeded',
        'quotaExceeded',
        'quotaThreshold',
        'storeError',
      ] as const
      for (const event of events)
        siege.gateway.on(event, (data) => void said.push([event, { ...data, api: undefined }]))
      const { sessions } = siege.gateway
      const made = [
        await sessions.create({ quotaMax: 1, quotaRenewalRate: 60, monitor: { triggerLimits: [1] } }),
        await sessions.create({ rate: 1, per: 60 }),
        await sessions.create({ isInactive: true }),
        await sessions.create({ accessRights: { other: {} } }),
      ]
      keys.push(...made.map(({ key }) => key), 'nobody-made-this-key')
      for (const key of keys) {
        for (const path of ['/', '/throw', '/elsewhere']) {
          for (const head of [
            `GET ${path}?key=${key} HTTP/1.1\r\n`,
            `GET ${path} HTTP/1.1\r\nAuthorization: Bearer ${key}\r\n`,
            `GET ${path} HTTP/1.1\r\nCookie: key=${key}\r\n`,
            `GET ${path}?key=${key}x HTTP/1.1\r\nAuthorization: ${key}\r\n`,
          ])
            said.push(await rawExchange(siege.port, `${head}Host: a\r\n\r\n`))
        }
      }
      await expect(sessions.create({}, { key: keys[0]! })).rejects.toSatisfy((error) => said.push(String(error)) > 0)
      await expect(sessions.update('nobody-made-this-key', {})).rejects.toSatisfy(
        (error) => said.push(String(error)) > 0,
      )
      said.push(siege.gateway.records.list(), siege.gateway.explain('GET', `/?key=${keys[0]}`).hooks)
    })
    const everything = JSON.stringify([said, warnings])
    // Enough was said for the search to mean something.
    for (const word of [
      'authFailure',
      'keyExpired',
      'quotaExceeded',
      'rateLimitExceeded',
      'pluginError',
      'somebody is in',
    ])
      expect(everything).toContain(word)
    for (const key of keys) expect(everything).not.toContain(key)
    const whole = keys.map((key) => digest(key))
    const masks = JSON.stringify(said.filter((one) => Array.isArray(one) && typeof one[0] === 'string'))
    for (const hash of whole) expect(masks).not.toContain(hash)
  })
})
