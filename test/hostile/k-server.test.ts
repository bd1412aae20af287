import { expect, it } from 'vitest'
import { send } from '../support/client.ts'
import { rawExchange } from '../support/raw-client.ts'
import { warningsDuring } from '../support/warnings.ts'
import { attack, besiege, cleanUpAfterAttacks, envelope } from './attack.ts'
import { configuration } from './catalogue/k.ts'

cleanUpAfterAttacks()

attack(configuration, 'K11', (mount) => {
  const UNSAFE = { headersTimeout: 0, requestTimeout: 0, insecureHTTPParser: true, requireHostHeader: false }

  it.each(Object.entries(UNSAFE))('%s: %s', async (name, value) => {
    // Each server is warned of for itself.
    for (let i = 0; i < 2; i += 1) {
      const { url, server } = await besiege(mount, {}, { safe: false })
      Object.assign(server, { [name]: value })
      const warnings = await warningsDuring(async () => {
        await send(url, '/')
        await send(url, '/')
      })
      expect(warnings).toEqual([expect.stringContaining(name)])
      expect(warnings[0]).toContain('createServer of @postern/http')
    }
  })

  it('all of them, and none behind createServer', async () => {
    const unsafe = await besiege(mount, {}, { safe: false })
    Object.assign(unsafe.server, UNSAFE)
    const told = await warningsDuring(() => unsafe.unharmed())
    expect(told.length).toBe(Object.keys(UNSAFE).length)
    const safe = await besiege(mount)
    expect(await warningsDuring(() => safe.unharmed())).toEqual([])
  })

  it('fields that a server may have dropped', async () => {
    const many = (count: number): string => `GET / HTTP/1.1\r\nHost: a\r\n${'x: 1\r\n'.repeat(count - 1)}\r\n`
    const plain = await besiege(mount, {}, { safe: false })
    expect((await rawExchange(plain.port, many(999))).status).toBe(200)
    for (const count of [1_000, 1_001, 2_000]) {
      const { status, body } = await rawExchange(plain.port, many(count))
      expect([count, status]).toEqual([count, 431])
      // Newer ones drop none, and refuse what is too much by themselves (24.21).
      expect([envelope('Request header fields too large'), ...(count > 1_000 ? [''] : [])]).toContain(body)
    }
    expect(plain.upstream.seen.length).toBe(1)
    const safe = await besiege(mount)
    expect((await rawExchange(safe.port, many(1_500))).status).toBe(200)
    expect(safe.upstream.seen[0]!.lines.filter(([name]) => name === 'x').length).toBe(1_499)
  })
})
