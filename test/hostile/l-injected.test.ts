import type { ApiDefinitionInput, GatewayOptions, PrePlugin } from '@postern/core'
import { memoryStore, respond } from '@postern/core'
import type { Store } from '@postern/core/store'
import { expect, it } from 'vitest'
import type { Mount, Setup } from '../support/hosts.ts'
import { rawExchange } from '../support/raw-client.ts'
import { attack, besiege, cleanUpAfterAttacks } from './attack.ts'
import { boom, BROKEN, brokenResponse, refusing, rejecting } from './broken-values.ts'
import { process as group } from './catalogue/l.ts'

cleanUpAfterAttacks()

const onlyWhenAsked =
  (plugin: PrePlugin): PrePlugin =>
  (request, context) =>
    request.headers.has('x-break') ? plugin(request, context) : undefined

interface Outcome {
  /** 0: the answer had begun, and its connection was cut. */
  readonly status: number
  readonly body: string
}

/** What becomes of a request that meets what is broken; the next ones, which do not, are answered. */
async function outcomeOf(mount: Mount, definition: Partial<ApiDefinitionInput>, setup: Setup = {}): Promise<Outcome> {
  const { port, unharmed, gateway } = await besiege(mount, definition, setup)
  for (const event of ['pluginError', 'upstreamError', 'storeError', 'recordDropped'] as const)
    gateway.on(event, () => undefined)
  const outcome = await rawExchange(port, `GET /x HTTP/1.1\r\nHost: a\r\nX-Break: 1\r\n\r\n`).catch(() => CUT)
  await unharmed()
  return { status: outcome.status, body: outcome.body }
}

const CUT: Outcome = { status: 0, body: '' }

type Row = readonly [title: string, answer: () => unknown]

const STORES: readonly Row[] = [
  ['throws', boom],
  ['rejects', () => rejecting()],
  ['rejects with nothing', () => rejecting(null)],
  ['answers nonsense', () => 17],
  ['answers an object that refuses to be looked at', () => refusing],
]

const FORWARDERS: readonly Row[] = [
  ['throws', boom],
  ['rejects', () => rejecting()],
  ['rejects with nothing', () => rejecting(null)],
  ['rejects with an object that refuses to be looked at', () => rejecting(refusing)],
  ['answers nonsense', () => 17],
  ['answers nothing', () => undefined],
  ['answers an object that refuses to be looked at', () => refusing],
  ['never answers', () => new Promise(() => undefined)],
  ['answers with a body that breaks off', brokenResponse],
]

attack(group, 'L07', (mount) => {
  it.each(BROKEN)('a pre plugin that %s', async (_, plugin) => {
    const { status, body } = await outcomeOf(mount, { hooks: { pre: [onlyWhenAsked(plugin as PrePlugin)] } })
    expect([500, 0]).toContain(status)
    expect(body).not.toContain('boom')
  })

  it.each(BROKEN)('a response plugin that %s', async (_, plugin) => {
    const response = (
      _response: unknown,
      { request }: { request: { headers: { has: (name: string) => boolean } } },
    ): unknown => (request.headers.has('x-break') ? plugin() : undefined)
    const { status, body } = await outcomeOf(mount, { hooks: { response: [response as never] } })
    expect([500, 0]).toContain(status)
    expect(body).not.toContain('boom')
  })

  it.each(BROKEN)('an auth plugin that %s lets nobody in', async (_, plugin) => {
    const auth = (request: { headers: { has: (name: string) => boolean } }): unknown =>
      request.headers.has('x-break') ? plugin() : { metadata: { token: 'canary' } }
    const { status, body } = await outcomeOf(mount, { hooks: { auth: auth as never } })
    expect([403, 500, 0]).toContain(status)
    expect(body).not.toContain('boom')
  })

  it.each(BROKEN)('an analytics plugin that %s', async (_, plugin) => {
    const { status, body } = await outcomeOf(mount, { hooks: { analytics: [plugin as never] } })
    expect([200]).toContain(status)
    expect(body).not.toContain('boom')
  })

  it.each([
    ['throws', boom],
    ['rejects', () => rejecting()],
    ['rejects with an object that refuses to be looked at', () => rejecting(refusing)],
  ] as const)('listeners of every event that each %s', async (_, listener) => {
    const { port, gateway, unharmed } = await besiege(mount, {
      hooks: {
        pre: [onlyWhenAsked(boom)],
        post: [
          (request) => {
            if (request.headers.has('x-late')) setTimeout(() => request.headers.set('x', '1'), 20)
          },
        ],
        analytics: [boom],
      },
      // Far more than a slow machine could ask for in this time.
      limits: { rate: 20, per: 3 },
    })
    for (const event of ['pluginError', 'recordDropped', 'lateChange', 'rateLimitExceeded', 'authFailure'] as const)
      gateway.on(event, listener)
    const asked = Array.from({ length: 100 }, (__, i) =>
      rawExchange(port, `GET /x HTTP/1.1\r\nHost: a\r\n${['X-Break: 1\r\n', 'X-Late: 1\r\n', ''][i % 3]!}\r\n`),
    )
    const statuses = (await Promise.all(asked)).map(({ status }) => status)
    expect(new Set(statuses)).toEqual(new Set([200, 429, 500]))
    await expect
      .poll(() => rawExchange(port, 'GET /x HTTP/1.1\r\nHost: a\r\n\r\n').then(({ status }) => status), {
        timeout: 10_000,
      })
      .toBe(200)
    await expect
      .poll(
        () =>
          unharmed().then(
            () => true,
            () => false,
          ),
        { timeout: 10_000 },
      )
      .toBe(true)
  })

  it.each(['debug', 'info', 'warn', 'error'] as const)(
    'a logger whose `%s` throws is the error of the plugin that logs',
    async (level) => {
      const log = { debug: boom, info: boom, warn: boom, error: boom }
      const logs: PrePlugin = (_, context) => context.log[level]('said')
      const { status, body } = await outcomeOf(mount, { hooks: { pre: [onlyWhenAsked(logs)] } }, { options: { log } })
      expect([status, body.includes('boom')]).toEqual([500, false])
    },
  )

  it.each(STORES)('a store whose every method %s', async (_, answer) => {
    const sound = memoryStore()
    let broken = false
    const asked = (method: 'load' | 'take' | 'save'): never =>
      ((...given: never[]) => (broken ? answer() : (sound[method] as (...all: never[]) => unknown)(...given))) as never
    const store: Store = { ...sound, local: false, load: asked('load'), take: asked('take'), save: asked('save') }
    const { port, gateway } = await besiege(mount, { authentication: { token: true } }, { options: { store } })
    gateway.on('storeError', () => undefined)
    const { key } = await gateway.sessions.create({ rate: 100, per: 1 })
    const text = `GET /x HTTP/1.1\r\nHost: a\r\nAuthorization: ${key}\r\n\r\n`
    const ask = async (): Promise<number> => (await rawExchange(port, text)).status
    expect(await ask()).toBe(200)
    broken = true
    expect([403, 500, 503]).toContain(await ask())
    broken = false
    expect(await ask()).toBe(200)
  })

  it.each(FORWARDERS)('a forwarder that %s', async (_, answer) => {
    const forward: GatewayOptions['forward'] = (request) =>
      request.headers.has('x-break') ? (answer() as never) : respond(200, `GET ${request.path}`)
    const definition = { requestTimeoutMs: 200 }
    // A forwarder is code of the host's: what it throws goes where the host's errors go.
    const { status } = await outcomeOf(mount, definition, { options: { forward } })
    expect([500, 504, 0]).toContain(status)
  })
})
