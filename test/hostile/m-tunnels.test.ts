import { createHash } from 'node:crypto'
import { once } from 'node:events'
import type { Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { Flood, FLOOD_BYTES } from '../support/flood.ts'
import { RawClient, rawExchange } from '../support/raw-client.ts'
import { listenRaw } from '../support/server.ts'
import { frame, handshakeText, switching, tunnelled, webSocketUpstream } from '../support/websocket.ts'
import { attack, cleanUpAfterAttacks, envelope } from './attack.ts'
import { upgrades } from './catalogue/m.ts'
import { eventually } from './eventually.ts'

cleanUpAfterAttacks()

const UPGRADE = { upgrade: true } as const

/** An upstream that switches protocols and then does as `meet` says. */
function switchingUpstream(meet: (socket: Socket) => void): ReturnType<typeof listenRaw> {
  return listenRaw((socket) => {
    socket.once('data', () => {
      socket.write(switching())
      meet(socket)
    })
  })
}

/** An upstream, and the other end of the tunnel to it. */
async function rawUpstream(): Promise<{ readonly url: string; readonly far: () => Promise<Socket> }> {
  const sockets: Socket[] = []
  const { url } = await switchingUpstream((socket) => sockets.push(socket))
  const far = async (): Promise<Socket> => {
    await eventually(() => expect(sockets).toHaveLength(1))
    return sockets[0]!
  }
  return { url, far }
}

attack(upgrades, 'M05', (mount) => {
  it('64 MB arrive each way, every byte of them', { timeout: 30_000 }, async () => {
    const piece = Buffer.alloc(65_536, 'abcdefghijklmnopqrstuvwxyz')
    const pieces = 1_024
    const upstream = await switchingUpstream((socket) => {
      const digest = createHash('sha256')
      socket.allowHalfOpen = true
      socket.on('data', (chunk) => digest.update(chunk))
      void Promise.all([pump(socket), once(socket, 'end')]).then(() => socket.end(digest.digest('hex')))
    })
    const pump = async (socket: Socket): Promise<void> => {
      for (let i = 0; i < pieces; i += 1) if (!socket.write(piece)) await once(socket, 'drain')
    }
    const { port } = await mount({ name: 'a', upstream: upstream.url }, UPGRADE)
    const client = new RawClient(port)
    client.write(handshakeText())
    await client.until('\r\n\r\n')
    client.socket.removeAllListeners('data')
    const digest = createHash('sha256')
    let [bytes, tail] = [client.received.length, '']
    digest.update(Buffer.from(client.received, 'latin1'))
    client.socket.on('data', (chunk) => {
      const room = pieces * piece.length - bytes
      digest.update(chunk.subarray(0, room))
      tail += chunk.subarray(room).toString()
      bytes += chunk.length
    })
    await pump(client.socket)
    // The upstream says what it has got once this side has ended, behind all it has to send itself.
    client.socket.end()
    await client.closed
    const expected = createHash('sha256')
    for (let i = 0; i < pieces; i += 1) expected.update(piece)
    const hash = expected.digest('hex')
    expect([bytes, digest.digest('hex'), tail]).toEqual([pieces * piece.length + 64, hash, hash])
  })

  it('whoever does not read holds the other side back', async () => {
    const toClient = new Flood()
    const toUpstream = new Flood()
    const upstream = await switchingUpstream((socket) => {
      socket.pause()
      void toClient.pump(socket)
    })
    const { port } = await mount({ name: 'a', upstream: upstream.url }, UPGRADE)
    const client = new RawClient(port)
    client.write(handshakeText())
    await client.until('\r\n\r\n')
    client.socket.pause()
    void toUpstream.pump(client.socket)
    const [down, up] = await Promise.all([toClient.stalled(), toUpstream.stalled()])
    expect(down).toBeLessThan(FLOOD_BYTES)
    expect(up).toBeLessThan(FLOOD_BYTES)
  })

  it('the end of one direction is the end of that one', async () => {
    for (const first of ['client', 'upstream'] as const) {
      const upstream = await rawUpstream()
      const { port, gateway } = await mount({ name: 'a', upstream: upstream.url }, UPGRADE)
      const client = await tunnelled(port)
      const far = await upstream.far()
      far.allowHalfOpen = true
      client.socket.allowHalfOpen = true
      const [one, other] = first === 'client' ? [client.socket, far] : [far, client.socket]
      one.end('last words')
      const [words] = (await once(other, 'data')) as [Buffer]
      await once(other, 'end')
      expect(words.toString()).toBe('last words')
      let answer = ''
      one.on('data', (chunk: Buffer) => (answer += chunk.toString()))
      await sleep(20)
      other.write('still ')
      await sleep(20)
      other.end('here')
      await once(one, 'close')
      expect([first, answer]).toEqual([first, 'still here'])
      await eventually(() => expect(gateway.records.list()).toHaveLength(1))
    }
  })

  it('a reset of one side ends the other at once', async () => {
    for (const first of ['client', 'upstream'] as const) {
      const upstream = await rawUpstream()
      const { port, gateway } = await mount({ name: 'a', upstream: upstream.url }, UPGRADE)
      const client = await tunnelled(port)
      const far = await upstream.far()
      far.resume()
      const [one, other] = first === 'client' ? [client.socket, far] : [far, client.socket]
      // An end alone does not end it: it goes on sending until somebody tells it that nobody is there.
      other.allowHalfOpen = true
      other.on('error', () => undefined)
      const timer = setInterval(() => other.write('x'), 5)
      const closed = new Promise((resolve) => other.once('close', resolve))
      one.resetAndDestroy()
      await closed
      clearInterval(timer)
      await eventually(() => expect(gateway.records.list()).toHaveLength(1))
      expect(gateway.records.list()[0]?.responseCode).toBe(101)
    }
  })
})

attack(upgrades, 'M07', (mount) => {
  it('a tunnel that is silent both ways is closed, one with bytes in one direction is not', async () => {
    const upstream = await webSocketUpstream((webSocket, req) => {
      if (req.url !== '/ticking') return
      const timer = setInterval(() => webSocket.send('tick'), 50)
      webSocket.on('close', () => clearInterval(timer))
    })
    const { port, gateway } = await mount({ name: 'a', upstream: upstream.url, upgradeIdleTimeoutMs: 200 }, UPGRADE)
    const ticking = await tunnelled(port, '/ticking')
    const writing = await tunnelled(port, '/writing')
    const timer = setInterval(() => writing.write(frame(0x8a, '')), 50)
    const silent = await tunnelled(port, '/silent')
    expect(await silent.closed).toBe('end')
    await sleep(300)
    clearInterval(timer)
    expect([upstream.open(), ticking.socket.destroyed, writing.socket.destroyed]).toEqual([2, false, false])
    expect(gateway.records.list().map(({ path, responseCode }) => [path, responseCode])).toEqual([['/silent', 101]])
  })

  it('a tunnel outlives the reload that changes its API, and the one that takes it away', async () => {
    const upstream = await webSocketUpstream()
    const api = { name: 'a', upstream: upstream.url }
    const { port, gateway } = await mount(api, UPGRADE)
    const first = await tunnelled(port)
    await gateway.reload({ ...api, authentication: { token: true } })
    expect((await rawExchange(port, handshakeText())).status).toBe(401)
    await gateway.reload({ name: 'b', listenPath: '/b', upstream: upstream.url })
    expect((await rawExchange(port, handshakeText())).status).toBe(404)
    const second = await tunnelled(port, '/b')
    for (const client of [first, second]) {
      client.write(frame(0x81, 'abc'))
      expect(await client.bytes(5)).toBe('\u0081\u0003abc')
      client.socket.destroy()
    }
    await eventually(() =>
      expect(
        gateway.records
          .list()
          .flatMap(({ apiName, responseCode }) => (responseCode === 101 ? [apiName] : []))
          .toSorted(),
      ).toEqual(['a', 'b']),
    )
    expect(upstream.open()).toBe(0)
  })

  // 10,000 would measure the sockets of this process, of which three belong to every tunnel.
  it('200 tunnels live side by side, a revoked key opens no more, and close() gives them time', async () => {
    const upstream = await webSocketUpstream()
    const { port, gateway } = await mount(
      { name: 'a', upstream: upstream.url, authentication: { token: true } },
      UPGRADE,
    )
    const { key } = await gateway.sessions.create()
    const field = `Authorization: ${key}\r\n`
    const clients = await Promise.all(Array.from({ length: 200 }, () => tunnelled(port, '/', field)))
    expect(upstream.open()).toBe(200)
    await gateway.sessions.delete(key)
    expect((await rawExchange(port, handshakeText('/', field))).status).toBe(403)
    const closed = gateway.close({ timeoutMs: 2_000 })
    const late = await rawExchange(port, handshakeText('/', field))
    expect([late.status, late.body]).toEqual([503, envelope('Service Unavailable')])
    await Promise.all(
      clients.map(async (client) => {
        client.write(frame(0x81, 'abc'))
        expect(await client.bytes(5)).toBe('\u0081\u0003abc')
      }),
    )
    await closed
    await Promise.all(clients.map(({ closed: ended }) => ended))
    await eventually(() => expect(upstream.open()).toBe(0))
    expect(gateway.records.list().filter(({ responseCode }) => responseCode === 101)).toHaveLength(200)
  })
})
