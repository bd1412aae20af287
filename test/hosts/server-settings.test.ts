import { createServer as createPlainServer, type ServerOptions } from 'node:http'
import { createGateway, createServer } from '@postern/http'
import { afterEach, describe, expect, it } from 'vitest'
import { closeAll, closeLater } from '../support/cleanup.ts'
import { settled, watchProcess } from '../support/process.ts'
import { RawClient, rawExchange } from '../support/raw-client.ts'
import { listen } from '../support/server.ts'
import { handshakeText } from '../support/websocket.ts'

afterEach(closeAll)

const CLOSING = 'Connection: close\r\n'
const GET = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n'

function gateway() {
  const made = createGateway({ name: 'a' })
  closeLater(() => made.close())
  return made
}

function warnings(): string[] {
  const seen: string[] = []
  const listener = (warning: Error): void => void (warning.name === 'PosternWarning' && seen.push(warning.message))
  process.on('warning', listener)
  closeLater(() => process.off('warning', listener))
  return seen
}

describe('a server of Node in front of a gateway', () => {
  it.each<[string, ServerOptions, RegExp]>([
    ['headersTimeout', { headersTimeout: 0 }, /headersTimeout is 0/],
    ['requestTimeout', { requestTimeout: 0, headersTimeout: 0 }, /requestTimeout is 0/],
    ['insecureHTTPParser', { insecureHTTPParser: true }, /insecureHTTPParser is on/],
    ['requireHostHeader', { requireHostHeader: false }, /requireHostHeader is off/],
  ])('is warned about once: %s', async (_, options, message) => {
    const seen = warnings()
    const { port } = await listen(createPlainServer(options, gateway()))
    for (let i = 0; i < 3; i += 1) await rawExchange(port, GET)
    expect(seen.filter((text) => message.test(text))).toEqual([
      expect.stringMatching(
        /^The server in front of the gateway is not safe: .*createServer of @postern\/http has safe settings\.$/,
      ),
    ])
  })

  it('is not warned about with its defaults', async () => {
    const seen = warnings()
    const { port } = await listen(createPlainServer(gateway()))
    await rawExchange(port, GET)
    expect(seen).toEqual([])
  })

  it('is warned about once where a WebSocket handshake comes as an ordinary request', async () => {
    const seen = warnings()
    const { port } = await listen(createPlainServer(gateway()))
    for (let i = 0; i < 3; i += 1) await rawExchange(port, handshakeText('/', CLOSING))
    expect(seen).toEqual([expect.stringMatching(/^A WebSocket handshake for API "a" came as an ordinary request/)])
    expect(seen[0]).toContain("server.on('upgrade', gateway.upgrade)")
  })

  it('is not warned about where only the key of a handshake comes', async () => {
    const seen = warnings()
    const { port } = await listen(createPlainServer(gateway()))
    await rawExchange(port, handshakeText('/', CLOSING, ['Upgrade']))
    expect(seen).toEqual([])
  })

  it('is not warned about where the gateway takes upgrades', async () => {
    const seen = warnings()
    const own = gateway()
    const { port } = await listen(createPlainServer(own).on('upgrade', own.upgrade))
    await rawExchange(port, handshakeText('/', CLOSING))
    expect(seen).toEqual([])
  })
})

describe('createServer', () => {
  it('is not warned about', async () => {
    const seen = warnings()
    const { port } = await listen(createServer(gateway()))
    await rawExchange(port, GET)
    expect(seen).toEqual([])
  })

  it('takes a requestTimeoutMs that is shorter than the time a head has', () => {
    const { headersTimeout, requestTimeout } = createServer(gateway(), { requestTimeoutMs: 1_000 })
    expect([headersTimeout, requestTimeout]).toEqual([1_000, 1_000])
  })

  it('refuses a request without a host also where no gateway is', async () => {
    const unheard = watchProcess()
    const { port } = await listen(createServer((_, res) => res.end('the application')))
    const client = new RawClient(port)
    client.write(`GET / HTTP/1.1\r\n\r\n${GET}`)
    await client.closed
    expect(client.received).toMatch(/^HTTP\/1\.1 400 Bad Request\r\n/)
    expect(client.received).not.toContain('the application')
    expect(unheard).toEqual([])
  })

  it('has one answer at a time on a connection', async () => {
    const running: string[] = []
    const { port } = await listen(
      createServer((req, res) => {
        running.push(`begin ${req.url}`)
        setTimeout(() => {
          running.push(`end ${req.url}`)
          res.end(req.url)
        }, 10)
      }),
    )
    const client = new RawClient(port)
    client.write(['/1', '/2', '/3'].map((target) => GET.replace('/', target)).join(''))
    for (const target of ['/1', '/2', '/3']) expect((await client.answer()).body).toBe(target)
    expect(running).toEqual(['begin /1', 'end /1', 'begin /2', 'end /2', 'begin /3', 'end /3'])
  })

  it('closes the responses of requests that never run', async () => {
    const closed: string[] = []
    const server = createServer((req) => void setTimeout(() => req.socket.destroy(), 10))
    server.on('request', (req, res) => res.once('close', () => void closed.push(req.url ?? '')))
    const { port } = await listen(server)
    const client = new RawClient(port)
    client.write(['/1', '/2', '/3'].map((target) => GET.replace('/', target)).join(''))
    await client.closed
    await settled()
    expect(closed).toEqual(['/1', '/2', '/3'])
  })

  it.each([
    ['with a `Connection: close` of the application', '1.1', { connection: 'close' }],
    ['without an end of its own, over HTTP/1.0', '1.0', {}],
  ])('runs nothing that was pipelined behind an answer %s', async (_, version, fields) => {
    const running: string[] = []
    const { port } = await listen(
      createServer((req, res) => {
        running.push(req.url ?? '')
        res.writeHead(200, fields)
        res.write('the ')
        setTimeout(() => res.end('application'), 10)
      }),
    )
    const client = new RawClient(port)
    const asks = (target: string): string =>
      `GET ${target} HTTP/${version}\r\nHost: a\r\nConnection: keep-alive\r\n\r\n`
    client.write(asks('/1') + asks('/2') + asks('/3'))
    await client.closed
    await settled()
    expect(client.received.split('HTTP/1.1 200 OK')).toHaveLength(2)
    expect(running).toEqual(['/1'])
  })

  it.each([
    ['turns out to be no HTTP', 'zz\r\n'],
    ['takes longer than the server allows', ''],
  ])('sends nothing behind an answer whose request %s', async (_, rest) => {
    const { port } = await listen(createServer((_req, res) => void res.end('early'), { requestTimeoutMs: 200 }))
    const client = new RawClient(port)
    client.write('POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n')
    expect((await client.answer()).body).toBe('early')
    client.write(rest)
    await client.closed
    expect(client.received).toBe('')
  })

  it('cuts a connection with more requests in one piece than anybody pipelines', async () => {
    let runs = 0
    const { port } = await listen(createServer(() => void (runs += 1)))
    const client = new RawClient(port)
    client.write(GET.repeat(1_100))
    await client.closed
    expect([client.received, runs]).toEqual(['', 1])
  })

  it.each([
    ['behind one that runs', GET],
    ['behind a refused one', 'GET / HTTP/1.1\r\n\r\n'],
  ])('survives all the requests one piece can hold, %s', async (_, first) => {
    const unheard = watchProcess()
    let runs = 0
    const { port } = await listen(createServer(() => void (runs += 1)))
    const client = new RawClient(port)
    const smallest = 'GET / HTTP/1.1\r\n\r\n'
    client.write(first + smallest.repeat(Math.floor((65_536 - first.length) / smallest.length)))
    await client.closed
    await settled()
    expect(runs).toBe(first === GET ? 1 : 0)
    expect(unheard).toEqual([])
  })

  it('takes no more connections of one address than it was told', async () => {
    const { port } = await listen(createServer((_, res) => res.end('ok'), { maxConnectionsPerAddress: 2 }))
    const first = new RawClient(port)
    const second = new RawClient(port)
    for (const client of [first, second]) {
      client.write(GET)
      expect((await client.answer()).status).toBe(200)
    }
    const third = new RawClient(port)
    third.write(GET)
    await third.closed
    expect(third.received).toBe('')
    first.socket.destroy()
    await first.closed
    const fourth = new RawClient(port)
    fourth.write(GET)
    expect((await fourth.answer()).status).toBe(200)
  })

  it.each([
    [
      { headersTimeout: 1 },
      'Unknown option "headersTimeout"; did you mean "headersTimeoutMs"? known: headersTimeoutMs, requestTimeoutMs',
    ],
    [{ headersTimeoutMs: '1' }, 'createServer\'s headersTimeoutMs is "1"; expected an integer, 0 or more.'],
    [{ headersTimeoutMs: -1 }, "createServer's headersTimeoutMs is -1; expected an integer, 0 or more."],
    [{ maxConnections: 0 }, "createServer's maxConnections is 0; expected an integer, 1 or more."],
    [{ maxHeaderBytes: 0 }, "createServer's maxHeaderBytes is 0; expected an integer, 1 or more."],
  ])('refuses options that would be no limit: %j', (options, message) => {
    expect(() => createServer(() => undefined, options as object)).toThrow(
      expect.objectContaining({ code: 'PSTN_OPTIONS_INVALID', message: expect.stringContaining(message) as string }),
    )
  })
})
