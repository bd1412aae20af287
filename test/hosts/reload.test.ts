import { type ApiDefinitionInput, deny } from '@postern/core'
import { afterEach, describe, expect, it } from 'vitest'
import { closeAll } from '../support/cleanup.ts'
import { send } from '../support/client.ts'
import { hosts } from '../support/hosts.ts'
import { signalled } from '../support/promises.ts'
import { startUpstream } from '../support/upstream.ts'

afterEach(closeAll)

const passive: ApiDefinitionInput = { name: 'a', listenPath: '/a/' }
const guarded: ApiDefinitionInput = {
  ...passive,
  hooks: {
    pre: [(request) => (request.path === '/secret' ? deny(401, 'No') : request.headers.set('x-plugin', 'set'))],
    response: [(response) => response.headers.set('x-version', 'guarded')],
  },
}

describe.each(hosts)('%s', (_, mount) => {
  it('hands over to the application, guards it, forwards instead, and lets go again, as it is reloaded', async () => {
    const upstream = await startUpstream((res, { target }) => res.end(`upstream ${target}`))
    const { url, gateway } = await mount(passive, {
      route: (req) => ({ body: `host ${req.url ?? ''} ${String(req.headers['x-plugin'])}` }),
    })
    const told = async (target: string): Promise<string> => {
      const { status, headers, text } = await send(url, target)
      return [status, headers['x-version'] ?? '-', status === 200 ? text : ''].join(' ').trim()
    }
    const targets = ['/a/secret', '/a//x', '/a/%2e%2e/b']
    const all = (): Promise<string[]> => Promise.all(targets.map((target) => told(target)))
    const asItCame = [
      '200 - host /a/secret undefined',
      '200 - host /a//x undefined',
      '200 - host /a/%2e%2e/b undefined',
    ]
    expect(await all()).toEqual(asItCame)
    await gateway.reload(guarded)
    expect(await all()).toEqual(['401 -', '200 guarded host /a/x set', '400 -'])
    await gateway.reload({ ...passive, upstream: upstream.url })
    expect(await all()).toEqual(['200 - upstream /secret', '200 - upstream /x', '400 -'])
    await gateway.reload({ name: 'b', listenPath: '/elsewhere' })
    expect(await all()).toEqual(asItCame)
    await gateway.reload(guarded)
    expect(await all()).toEqual(['401 -', '200 guarded host /a/x set', '400 -'])
  })

  it('finishes what the application is just answering, with the plugins of before', async () => {
    const arrived = signalled()
    const gate = signalled()
    const { url, gateway } = await mount(guarded, {
      route: async () => {
        arrived.signal()
        await gate.promise
        return { body: 'late' }
      },
    })
    const under = send(url, '/a/x')
    await arrived.promise
    await gateway.reload(passive)
    gate.signal()
    const { headers, text } = await under
    expect([headers['x-version'], text]).toEqual(['guarded', 'late'])
    expect((await send(url, '/a/x')).headers['x-version']).toBeUndefined()
  })
})
