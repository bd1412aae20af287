import { deny } from '@postern/core'
import { expect, it } from 'vitest'
import { RawClient } from '../support/raw-client.ts'
import { strictUpstream, wireAnswer } from '../support/strict-upstream.ts'
import { attack, besiege, cleanUpAfterAttacks } from './attack.ts'
import { MALFORMED_HTTP } from './catalogue/a.ts'
import { allSaid, expectRefusal, SMUGGLED, statusesIn } from './refusals.ts'

cleanUpAfterAttacks()

const CONTINUE = 'HTTP/1.1 100 Continue\r\n\r\n'
const head = (version = '1.1', ...fields: readonly string[]): string =>
  `POST /upload HTTP/${version}\r\nHost: a\r\nContent-Length: 5\r\n${fields.map((field) => `${field}\r\n`).join('')}\r\n`
const expecting = head('1.1', 'Expect: 100-continue')
const LAST = 'GET /last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'

attack(MALFORMED_HTTP, 'A24', (mount) => {
  it('asks a client that waits for its body once, and stays in step', async () => {
    const siege = await besiege(mount)
    const client = new RawClient(siege.port)
    client.write(expecting)
    expect(await client.until('\r\n\r\n')).toBe(CONTINUE)
    client.write(`12345${LAST}`)
    await client.closed
    expect(statusesIn(client.received)).toEqual([200, 200])
    expect(siege.upstream.seen.map(({ target, body }) => `${target} ${body}`).toSorted()).toEqual([
      '/last ',
      '/upload 12345',
    ])
    await siege.unharmed()
  })

  it('stays in step with a client that does not wait', async () => {
    const siege = await besiege(mount)
    const said = await allSaid(siege.port, `${expecting}12345${LAST}`)
    expect(statusesIn(said)).toEqual([100, 200, 200])
    expect(siege.upstream.seen.map(({ target, body }) => `${target} ${body}`).toSorted()).toEqual([
      '/last ',
      '/upload 12345',
    ])
    await siege.unharmed()
  })

  it('sends no 100 to HTTP/1.0', async () => {
    const siege = await besiege(mount)
    const said = await allSaid(siege.port, `${head('1.0', 'Expect: 100-continue')}12345`)
    expect(statusesIn(said)).toEqual([200])
    await siege.unharmed()
  })

  it('refuses an upload without having asked for it', async () => {
    const siege = await besiege(mount, { hooks: { pre: [() => deny(401, 'Who is it')] } })
    const said = await allSaid(siege.port, expecting)
    expect(statusesIn(said)).toEqual([401])
    expect(said).toMatch(/\r\nconnection: close\r\n/i)
    expect(siege.upstream.seen).toEqual([])
  })

  it('takes nothing of a refused upload for a request', async () => {
    const siege = await besiege(mount, { hooks: { pre: [() => deny(401, 'Who is it')] } })
    const smuggled = `POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: ${SMUGGLED.length}\r\nExpect: 100-continue\r\n\r\n${SMUGGLED}`
    // In one piece, and as a client that sends its body although it was refused.
    for (const pieces of [[smuggled + SMUGGLED], [smuggled, SMUGGLED], [expecting, SMUGGLED, SMUGGLED]]) {
      const said = await allSaid(siege.port, ...pieces)
      expect(statusesIn(said)).toEqual([401])
    }
    expect(siege.upstream.seen).toEqual([])
  })

  it('refuses the body that is too long without having asked for it', async () => {
    const siege = await besiege(mount, { maxBodyBytes: 4 })
    const said = await allSaid(siege.port, expecting)
    expect([statusesIn(said), siege.upstream.seen]).toEqual([[413], []])
    await siege.unharmed()
  })

  it('asks a host application for nothing it does not read', async () => {
    const { port } = await mount({ name: 'a' }, { route: () => ({ status: 403, body: 'no' }) })
    const said = await allSaid(port, expecting)
    expect([statusesIn(said), /\r\nconnection: close\r\n/i.test(said)]).toEqual([[403], true])
  })

  it.each([
    ['and stays open', false],
    ['and closes', true],
  ])('passes on the answer of an upstream that rejects the upload %s', async (_, closes) => {
    const upstream = await strictUpstream(({ method, target }, socket) => {
      if (method === 'GET') return wireAnswer(`GET ${target}`)
      if (closes) setImmediate(() => socket.end())
      return wireAnswer('no', '417 Expectation Failed')
    })
    const siege = await besiege(mount, {}, { upstream })
    const client = new RawClient(siege.port)
    client.write(expecting)
    await client.until(CONTINUE)
    client.write('12345')
    const answer = await client.answer()
    expect([answer.status, answer.body]).toEqual([417, 'no'])
    client.write(LAST)
    await client.closed
    expect(statusesIn(client.received)).toEqual([200])
    await siege.unharmed()
  })

  it.each(['x', 'x 100-continue', '100-continue, x', '100-continue;q=1', '"100-continue"', '100 continue', ''])(
    'refuses another expectation: %j',
    async (expectation) => {
      await expectRefusal(await besiege(mount), `${head('1.1', `Expect: ${expectation}`)}12345${SMUGGLED}`, [417])
    },
  )

  it('refuses two expectations', async () => {
    const both = head('1.1', 'Expect: 100-continue', 'Expect: x')
    await expectRefusal(await besiege(mount), `${both}12345${SMUGGLED}`, [417])
  })

  it.each(['x', 'x 100-continue'])(
    'refuses another expectation on a server of Node as well: %j',
    async (expectation) => {
      const siege = await besiege(mount, {}, { safe: false })
      const client = new RawClient(siege.port)
      client.write(`${head('1.1', `Expect: ${expectation}`)}12345`)
      // Node's own refusal leaves the connection open.
      await expect.poll(() => statusesIn(client.received).filter((status) => status !== 100)).toEqual([417])
      expect(siege.upstream.seen).toEqual([])
      await siege.unharmed()
    },
  )
})
