import { setTimeout as sleep } from 'node:timers/promises'
import { deny } from '@postern/core'
import { expect, it } from 'vitest'
import { valuesOf } from '../support/lines.ts'
import { rawExchange } from '../support/raw-client.ts'
import { handshakeText, webSocketUpstream } from '../support/websocket.ts'
import { attack, cleanUpAfterAttacks, envelope } from './attack.ts'
import { upgrades } from './catalogue/m.ts'
import { eventually } from './eventually.ts'

cleanUpAfterAttacks()

const UPGRADE = { upgrade: true } as const

attack(upgrades, 'M10', (mount) => {
  const secret = new Error('the secret of /etc/plugin.js')
  const breaks = {
    'throws at once': () => {
      throw secret
    },
    rejects: async () => {
      await sleep(1)
      throw secret
    },
    'takes too long': () => new Promise<never>(() => undefined),
  }

  for (const [how, plugin] of Object.entries(breaks)) {
    it(`a plugin that ${how} is a 500 and no tunnel`, async () => {
      for (const hook of ['pre', 'auth', 'postAuth', 'post', 'response', 'endpoint'] as const) {
        const upstream = await webSocketUpstream()
        const errors: string[] = []
        const session = { metadata: { token: 'her' } }
        const { port, gateway } = await mount(
          {
            name: 'a',
            upstream: upstream.url,
            pluginTimeoutMs: 50,
            hooks: {
              auth: hook === 'auth' ? plugin : () => session,
              ...(hook !== 'auth' && hook !== 'endpoint' && { [hook]: [plugin] }),
            },
            endpoints: hook === 'endpoint' ? { 'GET /': [plugin] } : {},
          },
          UPGRADE,
        )
        gateway.on('pluginError', (event) => errors.push(event.hook))
        const answer = await rawExchange(port, handshakeText())
        const status = hook === 'auth' ? 403 : 500
        const message = hook === 'auth' ? 'Key not authorised' : 'Middleware error'
        expect([hook, answer.status, answer.body]).toEqual([hook, status, envelope(message)])
        expect(valuesOf(answer.lines, 'connection')).toEqual(['close'])
        expect(JSON.stringify(answer)).not.toContain('secret')
        expect(errors).toEqual([hook])
        expect(upstream.seen).toHaveLength(hook === 'response' ? 1 : 0)
        await eventually(() => expect(upstream.open()).toBe(0))
        expect(gateway.records.list().map(({ responseCode }) => responseCode)).toEqual([status])
      }
    })
  }

  it('what a response plugin makes of a 101 is sent, and there is no tunnel', async () => {
    const upstream = await webSocketUpstream((webSocket) => webSocket.send('not for you'))
    const { port } = await mount(
      {
        name: 'a',
        upstream: upstream.url,
        hooks: {
          response: [
            async (response, { request }) => {
              if (request.path === '/replaced') return deny(403, 'Not today')
              if (request.path === '/status') response.status = 503
              if (request.path === '/read') response.headers.set('x-body', JSON.stringify(await response.text()))
              if (request.path !== '/body') return undefined
              response.status = 200
              response.setBody('a body')
              return undefined
            },
          ],
        },
      },
      UPGRADE,
    )
    const outcomes = []
    for (const target of ['/replaced', '/status', '/body']) {
      const answer = await rawExchange(port, handshakeText(target))
      outcomes.push([answer.status, answer.body, valuesOf(answer.lines, 'connection')])
    }
    expect(outcomes).toEqual([
      [403, envelope('Not today'), ['close']],
      [503, '', ['close']],
      [200, 'a body', ['close']],
    ])
    await eventually(() => expect(upstream.open()).toBe(0))
    const read = await rawExchange(port, handshakeText('/read'))
    expect([read.status, valuesOf(read.lines, 'x-body')]).toEqual([101, ['""']])
  })
})
