import { type GatewayEvents, respond } from '@postern/core'
import { expect, it } from 'vitest'
import { open, send } from '../support/client.ts'
import { type RawAnswer, rawExchange } from '../support/raw-client.ts'
import { attack, besiege, cleanUpAfterAttacks, envelope, type Siege } from './attack.ts'
import { chainFaults } from './catalogue/d.ts'

cleanUpAfterAttacks()

type Returns = readonly (readonly [what: string, make: () => unknown])[]

/** A gateway whose `pre` plugin returns what the path names, and what its failures were called. */
async function returning(
  mount: Parameters<Parameters<typeof attack>[2]>[0],
  returns: Returns,
): Promise<Siege & { readonly failures: string[]; readonly ask: (i: number) => Promise<RawAnswer> }> {
  const chosen = ({ path }: { readonly path: string }): never => {
    const [, index] = /^\/attack\/(\d+)$/.exec(path) ?? []
    return (index === undefined ? undefined : returns[Number(index)]![1]()) as never
  }
  const siege = await besiege(mount, { hooks: { pre: [{ plugin: chosen, name: 'culprit' }] } })
  const failures: string[] = []
  siege.gateway.on('pluginError', ({ plugin, error }: GatewayEvents['pluginError']) => {
    failures.push(`${plugin}: ${error.message}`)
  })
  const ask = (i: number): Promise<RawAnswer> => rawExchange(siege.port, `GET /attack/${i} HTTP/1.1\r\nHost: a\r\n\r\n`)
  return { ...siege, failures, ask }
}

attack(chainFaults, 'D07', (mount) => {
  const status = (responseCode: unknown): object => ({ responseCode, responseBody: 'x' })
  const INVALID: readonly (readonly [what: string, make: () => unknown, field: string])[] = [
    ...[0, 99, 101, 199, 600, 1000, 200.5, -200, Number.NaN, Infinity, '200', null, true].map(
      (code) => [`status ${String(code)}`, () => status(code), 'responseCode'] as const,
    ),
    ['a line break in a value', () => ({ responseCode: 200, responseHeaders: { 'x-a': 'b\r\nx-evil: 1' } }), 'x-a'],
    ['a line break in a name', () => ({ responseCode: 200, responseHeaders: { 'x-a\r\nx-evil': '1' } }), 'x-evil'],
    ['a NUL in a value', () => ({ responseCode: 200, responseHeaders: { 'x-a': '\0' } }), 'x-a'],
    ['headers that are a list', () => ({ responseCode: 200, responseHeaders: ['x-a: b'] }), 'responseHeaders'],
    ['a body that is a number', () => ({ responseCode: 200, responseBody: 5 }), 'responseBody'],
    ['an error that is no text', () => ({ responseCode: 400, responseError: {} }), 'responseError'],
    ['an override that is no flag', () => ({ responseCode: 400, overrideError: 'yes' }), 'overrideError'],
    ['a field nobody knows', () => ({ responseCode: 200, responseBodyy: 'x' }), 'responseBodyy'],
    ['a body that contains itself', () => ({ responseCode: 200, responseBody: cyclic() }), 'body'],
  ]

  function cyclic(): object {
    const body: Record<string, unknown> = {}
    body['body'] = body
    return body
  }

  it('what HTTP cannot say is a failure that names the field', async () => {
    const { ask, failures, unharmed } = await returning(
      mount,
      INVALID.map(([what, make]) => [what, make]),
    )
    for (const [i, [what, , field]] of INVALID.entries()) {
      const answer = await ask(i)
      expect([what, answer.status, answer.body]).toEqual([what, 500, envelope('Middleware error')])
      expect(answer.lines.map(([name]) => name.toLowerCase())).not.toContain('x-evil')
      expect([what, failures.length, failures.at(-1)]).toEqual([what, i + 1, expect.stringContaining(field)])
    }
    await unharmed()
  })

  const VALID: readonly (readonly [what: string, make: () => unknown, status: number, body: string])[] = [
    ['204 with a body', () => status(204), 204, ''],
    ['304 with a body', () => status(304), 304, ''],
    ['an object as the body', () => ({ responseCode: 200, responseBody: { a: 1 } }), 200, '{"a":1}'],
    ['an error and a body', () => ({ responseCode: 403, responseError: 'no', responseBody: 'x' }), 403, envelope('no')],
    ['an error below 400', () => ({ responseCode: 200, responseError: 'so', responseBody: 'x' }), 200, 'so'],
    [
      'a length that lies',
      () => ({ responseCode: 200, responseBody: 'four', responseHeaders: { 'content-length': '999' } }),
      200,
      'four',
    ],
    [
      'fields of the connection',
      () => ({ responseCode: 200, responseBody: 'x', responseHeaders: { 'transfer-encoding': 'chunked' } }),
      200,
      'x',
    ],
  ]

  it('what contradicts itself is sent with one reading', async () => {
    const { ask, failures, unharmed } = await returning(
      mount,
      VALID.map(([what, make]) => [what, make]),
    )
    for (const [i, [what, , code, body]] of VALID.entries()) {
      const answer = await ask(i)
      expect([what, answer.status, answer.body]).toEqual([what, code, body])
    }
    expect(failures).toEqual([])
    await unharmed()
  })

  it('100 MB arrive whole', async () => {
    const whole = Buffer.alloc(100_000_000, 'x')
    const { url, unharmed } = await returning(mount, [['100 MB', () => respond(200, whole)]])
    let bytes = 0
    for await (const chunk of await open(url, '/attack/0')) bytes += (chunk as Buffer).length
    expect(bytes).toBe(whole.length)
    await unharmed()
  })
})

attack(chainFaults, 'D08', (mount) => {
  const unreadable = new Proxy(
    {},
    {
      get: (_, name) => {
        // A promise would be looked for in it, which is another case.
        if (name === 'then') return undefined
        throw new Error('SECRET')
      },
      has: () => true,
    },
  )
  const NO_DECISION: Returns = [
    ['null', () => null],
    ['a number', () => 200],
    ['a text', () => 'SECRET'],
    ['true', () => true],
    ['false', () => false],
    ['a bigint', () => 1n],
    ['a symbol', () => Symbol('SECRET')],
    ['a function', () => () => undefined],
    ['an empty object', () => ({})],
    ['a list', () => [{ responseCode: 200 }]],
    ['another gateway’s spelling', () => ({ response_code: 200 })],
    ['the headers of an answer', () => new Headers()],
    ['an error', () => new Error('SECRET')],
    ['a promise of a number', () => Promise.resolve(Promise.resolve(5))],
    ['a proxy', () => unreadable],
    ['a promise of a proxy', () => Promise.resolve(unreadable)],
    ['JSON with __proto__', () => JSON.parse('{"__proto__":{"responseCode":200,"polluted":true}}')],
    [
      'a decision and __proto__',
      () => JSON.parse('{"responseCode":200,"responseBody":"x","__proto__":{"polluted":true}}'),
    ],
  ]

  it('what is no decision is a failure that says what was expected', async () => {
    const { ask, failures, unharmed } = await returning(mount, NO_DECISION)
    for (const [i, [what]] of NO_DECISION.entries()) {
      const answer = await ask(i)
      expect([what, answer.status, answer.body]).toEqual([what, 500, envelope('Middleware error')])
      expect([what, failures.length, failures.at(-1)]).toEqual([what, i + 1, expect.stringContaining('culprit')])
    }
    expect(failures[0]).toContain('expected nothing, or a decision')
    expect('polluted' in {}).toBe(false)
    await unharmed()
  })

  it('nothing, in whatever wrapping, changes nothing', async () => {
    const { ask, failures, unharmed } = await returning(mount, [
      ['nothing', () => undefined],
      ['a promise of a promise of nothing', () => Promise.resolve(Promise.resolve())],
      // oxlint-disable-next-line unicorn/no-thenable -- a foreign promise
      ['a thenable of nothing', () => ({ then: (resolve: (value: unknown) => void) => resolve(undefined) })],
    ])
    for (const i of [0, 1, 2]) expect((await ask(i)).body).toBe(`GET /attack/${i}`)
    expect(failures).toEqual([])
    await unharmed()
  })
})

attack(chainFaults, 'D05', (mount) => {
  it('the first outcome of a plugin that settles twice counts', async () => {
    const twice = (first: unknown, second: unknown): unknown => ({
      // oxlint-disable-next-line unicorn/no-thenable -- a broken one
      then: (resolve: (value: unknown) => void, reject: (error: unknown) => void) => {
        resolve(first)
        resolve(second)
        reject(new Error('too late'))
        throw new Error('later still')
      },
    })
    const { ask, failures, unharmed } = await returning(mount, [
      ['passes, then decides', () => twice(undefined, respond(200, 'second'))],
      ['decides twice', () => twice(respond(200, 'first'), respond(200, 'second'))],
    ])
    expect((await ask(0)).body).toBe('GET /attack/0')
    expect((await ask(1)).body).toBe('first')
    expect(failures).toEqual([])
    await unharmed()
  })

  it('what is done to messages after the answer has no effect, and is told once', async () => {
    const kept: (() => void)[] = []
    const siege = await besiege(mount, {
      hooks: {
        pre: [
          (request) => {
            kept.push(() => {
              request.headers.set('x-late', '1')
              request.path = '/elsewhere'
              request.setBody('late')
            })
            return request.path === '/decided' ? respond(200, 'decided') : undefined
          },
        ],
        response: [
          (response) => {
            kept.push(() => {
              response.status = 500
              response.headers.set('x-late', '1')
              response.setBody('late')
            })
          },
        ],
      },
    })
    const late: string[] = []
    siege.gateway.on('lateChange', ({ path }) => void late.push(path))
    for (const [path, body] of [
      ['/decided', 'decided'],
      ['/forwarded', 'GET /forwarded'],
    ] as const) {
      const { status, text, headers } = await send(siege.url, path)
      expect([status, text, headers['x-late']]).toEqual([200, body, undefined])
      for (const change of kept.splice(0)) for (let i = 0; i < 2; i += 1) quietly(change)
    }
    expect(late).toEqual(['/decided', '/forwarded'])
    await siege.unharmed()
  })
})

/** A late change may throw at its author; what matters is what the client sees. */
function quietly(change: () => void): void {
  try {
    change()
  } catch {
    // The plugin's own affair.
  }
}
