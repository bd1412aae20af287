import { channel } from 'node:diagnostics_channel'
import express from 'express'
import { createGateway } from '@postern/http'
import { createInspector, type InspectorOptions } from '@postern/inspector'
import { afterEach, describe, expect, it } from 'vitest'
import { closeAll, closeLater } from '../../support/cleanup.ts'
import { open, send } from '../../support/client.ts'
import { listen } from '../../support/server.ts'

afterEach(closeAll)

async function mount(options?: InspectorOptions) {
  const gateway = createGateway({ name: 'shop', listenPath: '/shop/' })
  closeLater(() => gateway.close({ timeoutMs: 0 }))
  const inspector = createInspector(gateway, options)
  const { url } = await listen(inspector)
  closeLater(() => inspector.close())
  return { url, inspector }
}

const watched = (): boolean => channel('tracing:postern:request:start').hasSubscribers

describe('the inspector', () => {
  it('is shown over loopback without being asked who looks', async () => {
    const { url } = await mount()
    const { status, headers } = await fetch(url)
    expect([status, headers.get('content-type')]).toEqual([200, 'text/html; charset=utf-8'])
    expect(headers.get('content-security-policy')).toMatch(
      /^default-src 'none'; script-src 'sha256-[^ ]+'; style-src 'sha256-[^ ]+'; connect-src 'self';/,
    )
  })

  it.each([
    ['under another name', 'host', 'gateway.example'],
    ['under a name that begins like one of loopback', 'host', '127.0.0.1.example'],
    ['through a proxy', 'x-forwarded-for', '203.0.113.7'],
    ['through a proxy of another kind', 'forwarded', 'for=203.0.113.7'],
  ])('is not shown %s unless it has an access check', async (_, name, value) => {
    const { url } = await mount()
    const { status } = await send(url, '/', { headers: { [name]: value } })
    expect(status).toBe(403)
    const checked = await mount({ access: () => true })
    expect((await send(checked.url, '/', { headers: { [name]: value } })).status).toBe(200)
  })

  it.each<[string, InspectorOptions['access']]>([
    ['says no', () => false],
    ['says no later', () => Promise.resolve(false)],
    ['says something else', () => 'yes' as unknown as boolean],
    [
      'throws',
      () => {
        throw new Error('no directory')
      },
    ],
  ])('is not shown where the access check %s', async (_, access) => {
    const { url } = await mount({ access })
    for (const target of ['/', '/?events']) expect((await send(url, target)).status).toBe(403)
    expect(watched()).toBe(false)
  })

  it('only shows', async () => {
    const { url } = await mount()
    const { status, headers } = await fetch(url, { method: 'POST' })
    expect([status, headers.get('allow')]).toEqual([405, 'GET, HEAD'])
  })

  it('watches nothing until a page is open', async () => {
    const { url, inspector } = await mount()
    await fetch(url)
    expect(watched()).toBe(false)
    const events = await open(url, '/?events')
    events.resume()
    expect([events.headers['content-type'], watched()]).toEqual(['text/event-stream', true])
    inspector.close()
    expect(watched()).toBe(false)
  })

  it('lets only so many pages be open', async () => {
    const { url } = await mount()
    const statuses: (number | undefined)[] = []
    for (let i = 0; i < 17; i += 1) {
      const events = await open(url, '/?events')
      events.resume()
      statuses.push(events.statusCode)
    }
    expect(statuses).toEqual([...Array.from({ length: 16 }, () => 200), 503])
  })

  it('is a middleware of Express at a path of its own', async () => {
    const gateway = createGateway({ name: 'shop', listenPath: '/shop/' })
    closeLater(() => gateway.close({ timeoutMs: 0 }))
    const { url } = await listen(express().use('/inspector', createInspector(gateway)))
    const statuses = ['/inspector', '/inspector/', '/inspector/x', '/'].map(
      async (path) => (await fetch(url + path)).status,
    )
    expect(await Promise.all(statuses)).toEqual([200, 200, 404, 404])
  })

  it.each([0, -1, 1.5, 2_001, Number.NaN])('keeps a number of requests that makes sense, not %d', (requests) => {
    const gateway = createGateway({ name: 'shop' })
    expect(() => createInspector(gateway, { requests })).toThrow('an integer from 1 to 2000')
  })
})
