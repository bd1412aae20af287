import { hash } from 'node:crypto'
import { memoryStore } from '@postern/core'
import { expect, it } from 'vitest'
import { send } from '../support/client.ts'
import { rawExchange } from '../support/raw-client.ts'
import { attack, besiege, cleanUpAfterAttacks, envelope } from './attack.ts'
import { authentication } from './catalogue/e.ts'

cleanUpAfterAttacks()

const TOKEN = { authentication: { token: true } } as const
const MISSING = 'Authorization field missing'
const DISALLOWED = 'Access to this API has been disallowed'

attack(authentication, 'E01', (mount) => {
  it('nobody gets in', async () => {
    const siege = await besiege(mount, TOKEN)
    const { sessions } = siege.gateway
    const keyOf = async (input: Parameters<typeof sessions.create>[0]): Promise<string> =>
      (await sessions.create(input)).key
    const ago = Math.floor(Date.now() / 1_000) - 2
    const cases: readonly (readonly [what: string, key: string | undefined, status: number, message: string])[] = [
      ['none', undefined, 401, MISSING],
      ['empty', '', 401, MISSING],
      ['Bearer alone', 'Bearer', 403, DISALLOWED],
      ['unknown', 'nobody-made-this', 403, DISALLOWED],
      ['inactive', await keyOf({ isInactive: true }), 403, 'Key is inactive, please renew'],
      ['expired', await keyOf({ expires: ago }), 401, 'Key has expired, please renew'],
      ['of another API', await keyOf({ accessRights: { other: {} } }), 403, DISALLOWED],
      ['no text', '\u00FF\u00FE\u0080', 403, DISALLOWED],
      ['8 KiB', 'k'.repeat(8_192), 403, DISALLOWED],
      ['a store’s own name', 'caller:a:id', 403, DISALLOWED],
      ['__proto__', '__proto__', 403, DISALLOWED],
    ]
    for (const [what, key, status, message] of cases) {
      const field = key === undefined ? '' : `Authorization: ${key}\r\n`
      const request = Buffer.from(`GET / HTTP/1.1\r\nHost: a\r\n${field}\r\n`, 'latin1')
      const answer = await rawExchange(siege.port, request)
      expect([what, answer.status, answer.body]).toEqual([what, status, envelope(message)])
      // A 401 has to say how to come in.
      const challenge = answer.lines.some(([name]) => name.toLowerCase() === 'www-authenticate')
      expect([what, challenge]).toEqual([what, status === 401])
    }
    expect(siege.upstream.seen).toEqual([])
  })

  it('64 KiB are too much for the head, and where the head may be so large for a key', async () => {
    const request = `GET / HTTP/1.1\r\nHost: a\r\nAuthorization: ${'k'.repeat(65_536)}\r\n\r\n`
    const usual = await besiege(mount, TOKEN)
    expect((await rawExchange(usual.port, request)).status).toBe(431)
    const large = await besiege(mount, TOKEN, { server: { maxHeaderBytes: 131_072 } })
    const { status, body } = await rawExchange(large.port, request)
    expect([status, body]).toEqual([403, envelope(DISALLOWED)])
    expect([...usual.upstream.seen, ...large.upstream.seen]).toEqual([])
  })

  it('a NUL is no part of a field, and in a query no part of anybody’s key', async () => {
    const siege = await besiege(mount, { authentication: { token: { query: 'key' } } })
    const { key } = await siege.gateway.sessions.create()
    const inField = `GET / HTTP/1.1\r\nHost: a\r\nAuthorization: ${key}\0\r\n\r\n`
    expect((await rawExchange(siege.port, inField)).status).toBe(400)
    expect((await send(siege.url, `/?key=${key}%00`)).status).toBe(403)
    expect(siege.upstream.seen).toEqual([])
  })
})

attack(authentication, 'E02', (mount) => {
  const PLACES = { authentication: { token: { query: 'key', cookie: 'key' } } } as const

  it('counts where the definition says', async () => {
    const siege = await besiege(mount, PLACES)
    const { key } = await siege.gateway.sessions.create()
    const cases: readonly (readonly [what: string, target: string, headers: readonly string[], status: number])[] = [
      ['header', '/', ['Authorization', key], 200],
      ['Bearer', '/', ['Authorization', `Bearer ${key}`], 200],
      ['bearer', '/', ['Authorization', `bearer ${key}`], 200],
      ['BEARER', '/', ['AUTHORIZATION', `BEARER ${key}`], 200],
      ['query', `/?key=${key}`, [], 200],
      ['cookie', '/', ['Cookie', `a=b; key=${key}`], 200],
      ['quoted cookie', '/', ['Cookie', `key="${key}"`], 200],
      ['the same key twice', `/?key=${key}`, ['Authorization', key], 200],
      ['two spaces', '/', ['Authorization', `bearer  ${key}`], 403],
      ['Basic', '/', ['Authorization', `Basic ${key}`], 403],
      ['two keys', '/?key=other', ['Authorization', key], 400],
      ['two lines', '/', ['Authorization', key, 'Authorization', 'other'], 400],
      ['another header', '/', ['X-Api-Key', key], 401],
      ['another parameter', `/?KEY=${key}`, [], 401],
      ['another cookie', '/', ['Cookie', `Key=${key}`], 401],
      ['the path', `/${key}`, [], 401],
    ]
    for (const [what, target, headers, status] of cases)
      expect([what, (await send(siege.url, target, { headers })).status]).toEqual([what, status])
    const sent = siege.upstream.seen.map((request) => request.target)
    expect(sent).toEqual(Array.from({ length: 8 }, () => '/'))
    const records = siege.gateway.records.list().map(({ originalUrl }) => originalUrl)
    expect(records.filter((url) => url.includes('?key=') && !url.includes('?key=***'))).toEqual([])
  })

  it('reaches the upstream where the definition says so', async () => {
    const siege = await besiege(mount, { authentication: { token: { query: 'key', strip: 'none' } } })
    const { key } = await siege.gateway.sessions.create()
    expect((await send(siege.url, `/?key=${key}`)).status).toBe(200)
    expect(siege.upstream.seen[0]!.target).toBe(`/?key=${key}`)
    expect(siege.gateway.records.list()[0]!.originalUrl).toBe('/?key=***')
  })
})

attack(authentication, 'E03', (mount) => {
  it('asks the store for nothing but digests, and answers the same', async () => {
    const asked: string[] = []
    const behind = memoryStore()
    const store = {
      ...behind,
      load(id: string, freshness: 'copy' | 'confirmed') {
        asked.push(id)
        return behind.load(id, freshness)
      },
    }
    const siege = await besiege(mount, TOKEN, { options: { store } })
    const { key } = await siege.gateway.sessions.create()
    asked.length = 0
    const other = (character: string | undefined): string => (character === 'A' ? 'B' : 'A')
    const wrong = [`${key.slice(0, -1)}${other(key.at(-1))}`, `${other(key[0])}${key.slice(1)}`, 'no such key']
    const answers: string[] = []
    for (const one of wrong) {
      const { status, body, lines } = await rawExchange(
        siege.port,
        `GET / HTTP/1.1\r\nHost: a\r\nAuthorization: ${one}\r\n\r\n`,
      )
      answers.push(JSON.stringify([status, body, lines.filter(([name]) => name.toLowerCase() !== 'date')]))
    }
    expect(new Set(answers).size).toBe(1)
    expect((await send(siege.url, '/', { headers: { authorization: key } })).status).toBe(200)
    expect(asked).toEqual([...wrong, key].map((one) => hash('sha256', one, 'hex')))
  })
})

attack(authentication, 'E13', (mount) => {
  it('keys compare byte by byte', async () => {
    const siege = await besiege(mount, { authentication: { token: { query: 'key' } } })
    const { sessions } = siege.gateway
    const created = ['Key-Of-Ann', 'key-of-ann', 'key-of-ann-', 'KEY-OF-ANN']
    for (const [i, key] of created.entries()) await sessions.create({ alias: String(i) }, { key })
    // Nobody's key has characters that have several forms.
    const composed = sessions.create({}, { key: 'key-of-an\u0144' })
    await expect(composed).rejects.toMatchObject({ code: 'PSTN_SESSION_INVALID' })
    const aliases: string[] = []
    for (const key of created) {
      expect((await send(siege.url, `/?key=${key}`)).status).toBe(200)
      aliases.push(siege.gateway.records.list().at(-1)!.alias)
    }
    expect(aliases).toEqual(['0', '1', '2', '3'])
    const near = [
      'key-of-ann%20',
      '%20key-of-ann',
      'key-of-an%C5%84',
      'key-of-an%6E%CC%81',
      'key-oF-ann',
      'key-of-ann%0A',
    ]
    for (const key of near) expect([key, (await send(siege.url, `/?key=${key}`)).status]).toEqual([key, 403])
  })

  it('ids with one MD5 are two callers', async () => {
    const collide = (letter: string): string =>
      `TEXTCOLLBYfGiJUETHQ4h${letter}cKSMd5zYpgqf1YRDhkmxHkhPWptrkoyz28wnI9V0aHeAuaKnak`
    const ids = [collide('A'), collide('E')]
    expect(new Set(ids.map((id) => hash('md5', id, 'hex'))).size).toBe(1)
    const asked: string[] = []
    const siege = await besiege(mount, {
      authentication: { idExtractor: { source: 'header', header: 'x-caller', mode: 'value' } },
      hooks: {
        auth: (request) => {
          const token = request.headers.get('x-caller') ?? ''
          asked.push(token)
          return { alias: token.slice(21, 22), idExtractorDeadline: Date.now() / 1_000 + 60, metadata: { token } }
        },
      },
    })
    for (const id of [...ids, ...ids])
      expect((await send(siege.url, '/', { headers: { 'x-caller': id } })).status).toBe(200)
    expect(asked).toEqual(ids)
    expect(siege.gateway.records.list().map(({ alias }) => alias)).toEqual(['A', 'E', 'A', 'E'])
  })
})

attack(authentication, 'E14', (mount) => {
  it('every method and every spelling is asked for the key', async () => {
    const siege = await besiege(mount, { ...TOKEN, listenPath: '/guarded/' })
    const { key } = await siege.gateway.sessions.create()
    const preflight = 'Origin: http://b\r\nAccess-Control-Request-Method: GET\r\n'
    const upgrade =
      'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n'
    const requests: readonly (readonly [line: string, fields: string])[] = [
      ['GET /guarded/x', ''],
      ['HEAD /guarded/x', ''],
      ['OPTIONS /guarded/x', ''],
      ['OPTIONS /guarded/x', preflight],
      ['PROPFIND /guarded/x', ''],
      ['GET http://elsewhere.example/guarded/x', ''],
      ['GET //guarded/x', ''],
      ['GET /guarded//x', ''],
      ['GET /%67uarded/x', ''],
      ['GET /other/../guarded/x', ''],
      ['GET /guarded/x', upgrade],
    ]
    const ask = async ([line, fields]: (typeof requests)[number], more: string): Promise<number> => {
      const request = `${line} HTTP/1.1\r\nHost: a\r\n${fields}${more}\r\n`
      return (await rawExchange(siege.port, request, line.split(' ')[0])).status
    }
    for (const request of requests) {
      const status = await ask(request, '')
      // What is not below the listen path is nobody's.
      const expected = request[0] === 'GET //guarded/x' ? [401, 404] : [401]
      expect([request, expected.includes(status)]).toEqual([request, true])
    }
    expect(siege.upstream.seen).toEqual([])
    for (const request of requests.filter(([, fields]) => fields !== upgrade)) {
      const status = await ask(request, `Authorization: ${key}\r\n`)
      expect([request, [200, 404].includes(status)]).toEqual([request, true])
    }
  })
})

attack(authentication, 'E16', (mount) => {
  it.each(['drop', 'keep'] as const)('underscores: %s', async (underscoreHeaders) => {
    const seen: string[] = []
    const siege = await besiege(mount, {
      underscoreHeaders,
      hooks: { pre: [(request) => void seen.push(...[...request.headers].map(([name]) => name.toLowerCase()))] },
    })
    const names = ['X-Tyk-Authorization', 'x-tyk-api-key', 'X_Tyk_Trace', 'X-TYK_Session', 'X-Tyk-', 'x-tyk-node-id']
    const answer = await send(siege.url, '/', {
      headers: names.flatMap((name) => [name, 'spoofed']).concat('X-Tyke', 'fine', 'X-Other', 'fine'),
    })
    expect(answer.status).toBe(200)
    expect(seen.filter((name) => /^x[-_]tyk[-_]/.test(name))).toEqual([])
    expect(seen).toEqual(expect.arrayContaining(['x-tyke', 'x-other']))
    expect(JSON.stringify(siege.upstream.seen[0]!.lines)).not.toContain('spoofed')
    await siege.unharmed()
  })
})
