import { setTimeout as sleep } from 'node:timers/promises'
import type { ApiDefinitionInput, GatewayEvents, Hook } from '@postern/core'
import { expect, it } from 'vitest'
import { send } from '../support/client.ts'
import { signalled } from '../support/promises.ts'
import { attack, besiege, cleanUpAfterAttacks, envelope } from './attack.ts'
import { chainFaults } from './catalogue/d.ts'

cleanUpAfterAttacks()

const unreadable = new Proxy(
  {},
  {
    get: () => {
      throw new Error('SECRET')
    },
    has: () => {
      throw new Error('SECRET')
    },
    getPrototypeOf: () => {
      throw new Error('SECRET')
    },
    ownKeys: () => {
      throw new Error('SECRET')
    },
  },
)

function withGetters(): Error {
  const error = new Error('SECRET')
  // The stack first: making it reads the others.
  for (const name of ['stack', 'message', 'name', 'status', 'expose', 'code', 'cause'])
    Object.defineProperty(error, name, {
      get: () => {
        throw new Error('SECRET')
      },
    })
  return error
}

const THROWN: readonly (readonly [what: string, value: unknown])[] = [
  ['an error', new Error('SECRET')],
  ['a text', 'SECRET'],
  ['undefined', undefined],
  ['null', null],
  ['a frozen error', Object.freeze(new Error('SECRET'))],
  ['an error whose getters throw', withGetters()],
  ['a proxy', unreadable],
  ['an error that claims to be a 5xx refusal', Object.assign(new Error('SECRET'), { status: 500, expose: true })],
  ['an error that exposes what nobody can send', Object.assign(new Error('SECRET'), { status: 4.5, expose: true })],
]

const WAYS: readonly (readonly [way: string, fail: (value: unknown) => unknown])[] = [
  [
    'thrown',
    (value) => {
      throw value
    },
  ],
  // oxlint-disable-next-line typescript/prefer-promise-reject-errors -- what plugins reject with is what this is about
  ['rejected', (value) => Promise.reject(value)],
  [
    'thrown by a thenable',
    (value) => ({
      // oxlint-disable-next-line unicorn/no-thenable -- a broken one
      then: () => {
        throw value
      },
    }),
  ],
]

const FAILURES = WAYS.flatMap(([way, fail]) =>
  THROWN.map(([what, value]) => [`${what}, ${way}`, (): unknown => fail(value)] as const),
)

const HOOKS: readonly Hook[] = ['pre', 'auth', 'postAuth', 'endpoint', 'post', 'response', 'analytics']

/** An API with one plugin that does as it is told for `/attack` and its like, and nothing otherwise. */
function apiWith(
  hook: Hook,
  misbehave: (path: string, context: { signal: AbortSignal }) => unknown,
): Partial<ApiDefinitionInput> {
  const plugin = (subject: object, context: { readonly request?: { path: string }; signal: AbortSignal }): never => {
    const { path } = (context.request ?? subject) as { path: string }
    return (path.startsWith('/attack') ? misbehave(path, context) : undefined) as never
  }
  const grant = (request: { path: string }, context: { signal: AbortSignal }): never => {
    const session = { metadata: { token: 'somebody' } }
    return (hook === 'auth' && request.path.startsWith('/attack') ? misbehave(request.path, context) : session) as never
  }
  if (hook === 'auth') return { hooks: { auth: { plugin: grant, name: 'culprit' } } }
  const culprit = { plugin, name: 'culprit' }
  if (hook === 'endpoint') return { endpoints: { 'GET /attack/*rest': [culprit], 'GET /attack': [culprit] } }
  return { hooks: { [hook]: [culprit], ...(hook === 'postAuth' ? { auth: grant } : {}) } }
}

const refusalAt = (hook: Hook): readonly [number, string] =>
  hook === 'auth' ? [403, envelope('Key not authorised')] : [500, envelope('Middleware error')]

attack(chainFaults, 'D01', (mount) => {
  it('whatever a plugin throws', async () => {
    const siege = await besiege(
      mount,
      apiWith('pre', (path) => FAILURES[Number(path.split('/')[2])]![1]()),
    )
    const errors: GatewayEvents['pluginError'][] = []
    siege.gateway.on('pluginError', (event) => void errors.push(event))
    for (const [i, [what]] of FAILURES.entries()) {
      const { status, text, lines } = await send(siege.url, `/attack/${i}`)
      expect([what, status, text]).toEqual([what, 500, envelope('Middleware error')])
      expect(JSON.stringify([what, lines])).not.toContain('SECRET')
      const [api, hook, plugin, code] = ['a', 'pre', 'culprit', 'PSTN_PLUGIN_THREW']
      expect([what, errors.length, errors.at(-1)]).toMatchObject([what, i + 1, { api: { name: api }, hook, plugin }])
      expect(errors.at(-1)?.error.code).toBe(code)
    }
    // For the log, what was thrown is all there.
    expect(errors[0]!.error.cause).toBe(THROWN[0]![1])
    expect(siege.upstream.seen).toEqual([])
    await siege.unharmed()
  })
})

attack(chainFaults, 'D02', (mount) => {
  it.each(HOOKS)('at %s', async (hook) => {
    const siege = await besiege(
      mount,
      apiWith(hook, (path) => FAILURES[Number(path.split('/')[2])]![1]()),
    )
    const seen: unknown[] = []
    const event = hook === 'analytics' ? 'recordDropped' : 'pluginError'
    siege.gateway.on(event, ({ error }) => void seen.push(error.code))
    for (const [i, [what]] of FAILURES.entries()) {
      const { status, text } = await send(siege.url, `/attack/${i}`)
      const expected = hook === 'analytics' ? [200, `GET /attack/${i}`] : refusalAt(hook)
      expect([what, status, text]).toEqual([what, ...expected])
      await expect.poll(() => seen.length, { message: what }).toBe(i + 1)
    }
    expect(new Set(seen)).toEqual(new Set(['PSTN_PLUGIN_THREW']))
    expect(siege.gateway.records.dropped).toBe(hook === 'analytics' ? FAILURES.length : 0)
    await siege.unharmed()
  })
})

attack(chainFaults, 'D03', (mount) => {
  it.each(HOOKS)('at %s', async (hook) => {
    const late = signalled<unknown>()
    const aborted: boolean[] = []
    const siege = await besiege(mount, {
      pluginTimeoutMs: 60,
      ...apiWith(hook, (path, { signal }) => {
        signal.addEventListener('abort', () => aborted.push(true))
        return path === '/attack/late' ? late.promise : new Promise(() => undefined)
      }),
    })
    const codes: string[] = []
    siege.gateway.on('pluginError', ({ error }) => void codes.push(error.code))
    siege.gateway.on('recordDropped', ({ error }) => void codes.push(error.code))
    for (const path of ['/attack/never', '/attack/late']) {
      const { status, text } = await send(siege.url, path)
      const expected = hook === 'analytics' ? [200, `GET ${path}`] : refusalAt(hook)
      expect([status, text]).toEqual(expected)
    }
    await expect.poll(() => [...codes]).toEqual(['PSTN_PLUGIN_TIMEOUT', 'PSTN_PLUGIN_TIMEOUT'])
    expect(aborted).toEqual([true, true])
    late.signal(hook === 'auth' ? { metadata: { token: 'late' } } : undefined)
    await expect.poll(() => codes[2]).toBe('PSTN_PLUGIN_LATE')
    await siege.unharmed()
    // Nothing is held any more: there is nobody to wait for.
    const closing = performance.now()
    await siege.gateway.close({ timeoutMs: 5_000 })
    expect(performance.now() - closing).toBeLessThan(4_000)
  })
})

function spin(ms: number): void {
  const until = performance.now() + ms
  while (performance.now() < until);
}

attack(chainFaults, 'D04', (mount) => {
  const BUSY_MS = 60

  it('the busy one ends with its deadline, and whoever waited is served', async () => {
    const siege = await besiege(mount, {
      pluginTimeoutMs: 50,
      ...apiWith('pre', async () => {
        for (let i = 0; i < 4; i += 1) {
          await sleep(1)
          spin(BUSY_MS)
        }
      }),
    })
    const busy = send(siege.url, '/attack/busy')
    const others = [send(siege.url, '/other-1'), send(siege.url, '/other-2')]
    expect([(await busy).status, (await busy).text]).toEqual([500, envelope('Middleware error')])
    expect((await Promise.all(others)).map(({ text }) => text)).toEqual(['GET /other-1', 'GET /other-2'])
    await siege.unharmed()
  })

  it('a synchronous one has no deadline, and whoever waited is served', async () => {
    const siege = await besiege(mount, { pluginTimeoutMs: 10, ...apiWith('pre', () => spin(BUSY_MS)) })
    const busy = send(siege.url, '/attack/busy')
    const other = send(siege.url, '/other')
    expect([(await busy).text, (await other).text]).toEqual(['GET /attack/busy', 'GET /other'])
    await siege.unharmed()
  })
})
