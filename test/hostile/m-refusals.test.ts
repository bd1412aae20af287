import type { Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { valuesOf } from '../support/lines.ts'
import { RawClient } from '../support/raw-client.ts'
import { listenRaw } from '../support/server.ts'
import { acceptOf, handshakeText, switching } from '../support/websocket.ts'
import { attack, cleanUpAfterAttacks, envelope } from './attack.ts'
import { upgrades } from './catalogue/m.ts'
import { eventually } from './eventually.ts'

cleanUpAfterAttacks()

const UPGRADE = { upgrade: true } as const
const SMUGGLED = 'GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n'
const BAD_GATEWAY = envelope('Bad Gateway')

type Says = string | ((socket: Socket) => void)

attack(upgrades, 'M03', (mount) => {
  const cases: readonly (readonly [what: string, says: Says, status: number, body: string])[] = [
    ['403', 'HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\nX-Why: so\r\n\r\nno', 403, 'no'],
    [
      '426',
      'HTTP/1.1 426 Upgrade Required\r\nUpgrade: other\r\nConnection: Upgrade\r\nContent-Length: 2\r\n\r\nno',
      426,
      'no',
    ],
    ['200', 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello', 200, 'hello'],
    ['200 until the end', (socket) => socket.end('HTTP/1.1 200 OK\r\n\r\nhello'), 200, 'hello'],
    [
      '404 in chunks',
      'HTTP/1.1 404 No\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n',
      404,
      'abcde',
    ],
    ['204', 'HTTP/1.1 204 No Content\r\n\r\n', 204, ''],
    ['302', 'HTTP/1.1 302 Found\r\nLocation: /login\r\nContent-Length: 0\r\n\r\n', 302, ''],
    ['103 first', 'HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno', 403, 'no'],
    ['reset', (socket) => socket.resetAndDestroy(), 502, BAD_GATEWAY],
    ['end', (socket) => socket.end(), 502, BAD_GATEWAY],
    ['noise', 'SSH-2.0-OpenSSH\r\n\r\n', 502, BAD_GATEWAY],
    ['silence', () => undefined, 504, envelope('Gateway Timeout')],
    ['half a head', 'HTTP/1.1 101 Switching Protocols\r\nUpg', 504, envelope('Gateway Timeout')],
    ['wrong accept', switching(acceptOf('AAAAAAAAAAAAAAAAAAAAAA==')), 502, BAD_GATEWAY],
    ['no accept', 'HTTP/1.1 101 S\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n', 502, BAD_GATEWAY],
    ['two accepts', switching(acceptOf(), `Sec-WebSocket-Accept: ${acceptOf()}\r\n`), 502, BAD_GATEWAY],
    ['another protocol', switching().replace('Upgrade: websocket', 'Upgrade: h2c'), 502, BAD_GATEWAY],
    ['two protocols', switching().replace('Upgrade: websocket', 'Upgrade: websocket, h2c'), 502, BAD_GATEWAY],
    ['101 without Connection', switching().replace('Connection: Upgrade\r\n', ''), 502, BAD_GATEWAY],
    ['101 without Upgrade', switching().replace('Upgrade: websocket\r\n', ''), 502, BAD_GATEWAY],
    ['an empty 101 and frames', 'HTTP/1.1 101 S\r\n\r\n\u0081\u0003abc', 502, BAD_GATEWAY],
    ['17 KiB of head', `HTTP/1.1 403 No\r\nX: ${'x'.repeat(17_408)}\r\nContent-Length: 0\r\n\r\n`, 502, BAD_GATEWAY],
    [
      'two framings',
      'HTTP/1.1 403 No\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
      502,
      BAD_GATEWAY,
    ],
    ['status 600', 'HTTP/1.1 600 Odd\r\nContent-Length: 0\r\n\r\n', 502, BAD_GATEWAY],
  ]

  it('the answer is passed on, and there is no tunnel', async () => {
    const received: string[] = []
    const upstream = await listenRaw((socket) => {
      let text = ''
      socket.on('data', (chunk) => {
        const whole = text.includes('\r\n\r\n')
        text += chunk.toString('latin1')
        const index = Number(/GET \/(\d+)/.exec(text)?.[1])
        received[index] = text
        const says = cases[index]![1]
        if (whole || !text.includes('\r\n\r\n')) return
        if (typeof says === 'string') socket.write(says, 'latin1')
        else says(socket)
      })
    })
    const { port, gateway } = await mount(
      { name: 'a', upstream: { url: upstream.url, headersTimeoutMs: 300 } },
      UPGRADE,
    )
    const outcomes = await Promise.all(
      cases.map(async (_, i) => {
        const client = new RawClient(port)
        client.write(handshakeText(`/${i}`))
        const answer = await client.answer()
        client.write(SMUGGLED)
        await sleep(20)
        client.socket.end()
        await client.closed
        return { answer, rest: client.received }
      }),
    )
    for (const [i, [what, , status, body]] of cases.entries()) {
      const { answer, rest } = outcomes[i]!
      expect([what, answer.status, answer.body, rest]).toEqual([what, status, body, ''])
      const expected = status === 426 ? 'close, Upgrade' : 'close'
      expect([what, valuesOf(answer.lines, 'connection')]).toEqual([what, [expected]])
      expect([what, received[i]?.indexOf('\r\n\r\n')]).toEqual([what, (received[i]?.length ?? 0) - 4])
    }
    expect(valuesOf(outcomes[0]!.answer.lines, 'x-why')).toEqual(['so'])
    const recorded = gateway.records.list().map(({ path, responseCode }) => [path, responseCode])
    expect(new Map(recorded as [string, number][])).toEqual(new Map(cases.map(([, , status], i) => [`/${i}`, status])))
  })

  it('an answer that breaks off never looks whole', async () => {
    for (const framing of ['Content-Length: 10', 'Transfer-Encoding: chunked']) {
      const upstream = await listenRaw((socket) => {
        socket.once('data', () => {
          socket.write(`HTTP/1.1 403 No\r\n${framing}\r\n\r\n${framing.startsWith('C') ? 'half' : '4\r\nhalf\r\n'}`)
          setTimeout(() => socket.destroy(), 20)
        })
      })
      const { port } = await mount({ name: 'a', upstream: upstream.url }, UPGRADE)
      const client = new RawClient(port)
      client.write(handshakeText())
      await client.closed
      expect(client.received).toContain('HTTP/1.1 403 ')
      expect(client.received).toContain('half')
      expect(client.received).not.toContain('\r\n0\r\n')
    }
  })

  it('nobody to connect to is a 502, and a certificate nobody knows as well', async () => {
    const { port } = await mount({ name: 'a', upstream: 'http://127.0.0.1:1' }, UPGRADE)
    const client = new RawClient(port)
    client.write(handshakeText())
    const { status, body } = await client.answer()
    expect([status, body, await client.closed]).toEqual([502, BAD_GATEWAY, 'end'])
  })
})

attack(upgrades, 'M04', (mount) => {
  it('what is sent with the handshake, before its answer and with the 101 arrives in order', async () => {
    let atUpstream = ''
    const upstream = await listenRaw((socket) => {
      socket.on('data', (chunk) => {
        const first = atUpstream === ''
        atUpstream += chunk.toString('latin1')
        if (first) setTimeout(() => socket.write(`${switching()}upstream 1;`), 30)
        else socket.write('upstream 2;')
      })
    })
    const { port } = await mount({ name: 'a', upstream: upstream.url }, UPGRADE)
    const client = new RawClient(port)
    client.write(`${handshakeText()}client 1;`)
    await sleep(10)
    client.write('client 2;')
    const { status, lines } = await client.answer()
    expect([status, valuesOf(lines, 'content-length')]).toEqual([101, []])
    client.write('client 3;')
    expect(await client.until('upstream 2;')).toMatch(/^upstream 1;upstream 2;$/)
    await eventually(() => {
      const [head = '', frames] = atUpstream.split('\r\n\r\n')
      expect([head.split('\r\n')[0], frames]).toEqual(['GET / HTTP/1.1', 'client 1;client 2;client 3;'])
    })
  })

  it('so do 60 KB with the handshake and 60 KB with the 101', async () => {
    const large = 'x'.repeat(60_000)
    let atUpstream = ''
    const upstream = await listenRaw((socket) => {
      socket.once('data', () => socket.write(switching() + large))
      socket.on('data', (chunk) => (atUpstream += chunk.toString()))
    })
    const { port } = await mount({ name: 'a', upstream: upstream.url }, UPGRADE)
    const client = new RawClient(port)
    client.write(handshakeText() + large)
    expect((await client.answer()).status).toBe(101)
    expect(await client.bytes(60_000)).toBe(large)
    await eventually(() => expect(atUpstream.endsWith(`\r\n\r\n${large}`)).toBe(true))
  })
})
