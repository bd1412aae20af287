import { createServer as createPlainServer } from 'node:http'
import { createGateway, createServer, stopOnSignals } from '@postern/http'
import express from 'express'
import Koa from 'koa'
import Koa2 from 'koa2'
import { describe, expect, it } from 'vitest'

const definition = { name: 'orders', upstream: 'http://127.0.0.1:9000' }
const listener = (): void => undefined

function refusal(message: string): unknown {
  return expect.objectContaining({ code: 'PSTN_OPTIONS_INVALID', message })
}

describe('createServer()', () => {
  const EXPECTED = 'expected a gateway, an Express app or another function (req, res)'

  it.each<[string, readonly unknown[], string, string]>([
    ['a Koa app', [new Koa()], 'an instance of Application', 'of a Koa app pass app.callback()'],
    ['one of Koa 2', [new Koa2()], 'an instance of Application', 'of a Koa app pass app.callback()'],
    [
      'a definition',
      [definition],
      'an object with name, upstream',
      'make a gateway of a definition: createGateway(definition)',
    ],
    [
      'a Tyk OAS document',
      [{ 'x-tyk-api-gateway': {} }],
      'an object with x-tyk-api-gateway',
      'make a gateway of a definition: createGateway(definition)',
    ],
    ['definitions', [[definition]], 'an array of 1', 'make a gateway of definitions: createGateway(definitions)'],
    ['a promise', [Promise.resolve(listener)], 'an instance of Promise', 'it is a promise: await it'],
    [
      'options first, as Node has them',
      [{ key: 'k', cert: 'c' }, listener],
      'an object with key, cert',
      'the listener comes first: createServer(listener, options)',
    ],
    ['nothing', [], 'undefined', 'write createServer(gateway) or createServer(app)'],
    ['a port', [8080], '8080', 'write createServer(gateway) or createServer(app)'],
    ['a class', [Koa], 'the class Application', 'write createServer(gateway) or createServer(app)'],
    ['something else', [{ a: 1 }], 'an object with a', 'write createServer(gateway)'],
  ])('refuses what cannot take a request: %s', (_, given, found, hint) => {
    expect(() => createServer(...(given as [() => void]))).toThrow(
      refusal(`createServer was given ${found}; ${EXPECTED}; ${hint}.`),
    )
  })

  it.each([
    ['a gateway', createGateway(definition)],
    ['an Express app', express()],
    ['the callback of a Koa app', new Koa().callback()],
  ])('takes %s', (_, app) => {
    expect(createServer(app).listenerCount('request')).toBe(1)
  })

  const KNOWN =
    'known: headersTimeoutMs, requestTimeoutMs, keepAliveTimeoutMs, idleTimeoutMs, maxHeaderBytes, maxConnections, maxConnectionsPerAddress, tls.'

  it.each<[unknown, string]>([
    [{ key: 'k', cert: 'c' }, `Unknown option "key"; write tls: { key, cert }; ${KNOWN}`],
    [{ cert: 'c', maxConnections: 5 }, `Unknown option "cert"; write tls: { cert }; ${KNOWN}`],
    [{ port: 443, key: 'k' }, `Unknown option "port"; ${KNOWN}`],
    [{ tls: true }, "createServer's tls is true; expected an object such as { key, cert }, or nothing for plain HTTP."],
    [{ tls: null }, "createServer's tls is null; expected an object such as { key, cert }, or nothing for plain HTTP."],
    [
      { tls: 'cert.pem' },
      'createServer\'s tls is "cert.pem"; expected an object such as { key, cert }, or nothing for plain HTTP.',
    ],
    [8080, "createServer's options are 8080; expected an object such as { tls: { key, cert } }."],
    [null, "createServer's options are null; expected an object such as { tls: { key, cert } }."],
    [listener, "createServer's options are the function listener; expected an object such as { tls: { key, cert } }."],
  ])('refuses options that would do nothing: %o', (options, message) => {
    expect(() => createServer(listener, options as object)).toThrow(refusal(message))
  })
})

describe('stopOnSignals()', () => {
  const gateway = createGateway(definition)
  const SERVER = 'expected a server of node:http, such as createServer(app) and app.listen() return'
  const GATEWAY = 'expected what createGateway(definition) returns, or an array of them'

  it.each<[string, readonly unknown[], string]>([
    ['nothing', [], `was given undefined for the server; ${SERVER}`],
    ['an app for the server', [express(), gateway], `was given the function app for the server; ${SERVER}`],
    [
      'them the wrong way round',
      [gateway, createServer(gateway)],
      `was given the function listener for the server; ${SERVER}`,
    ],
    ['no gateway', [createPlainServer()], `was given undefined for a gateway; ${GATEWAY}`],
    [
      'a definition',
      [createPlainServer(), definition],
      `was given an object with name, upstream for a gateway; ${GATEWAY}`,
    ],
    [
      'a server for a gateway',
      [createPlainServer(), createPlainServer()],
      `was given an instance of Server for a gateway; ${GATEWAY}`,
    ],
    [
      'one that is none among several',
      [createPlainServer(), [gateway, null]],
      `was given null for a gateway; ${GATEWAY}`,
    ],
    [
      'a time for the options',
      [createPlainServer(), gateway, 5_000],
      'was given 5000 for its options; expected { graceMs, signals, onStopped }',
    ],
    [
      'an option there is not',
      [createPlainServer(), gateway, { grace: 5 }],
      'has no option "grace"; did you mean "graceMs"? known: graceMs, signals, onStopped',
    ],
    [
      'a time no timer can wait',
      [createPlainServer(), gateway, { graceMs: Infinity }],
      'was given Infinity for graceMs; expected milliseconds from 0 to 2,147,000,000',
    ],
    [
      'a signal for a list',
      [createPlainServer(), gateway, { signals: 'SIGTERM' }],
      'was given "SIGTERM" for signals; expected an array of signals, such as [\'SIGTERM\']',
    ],
    [
      'what is no signal',
      [createPlainServer(), gateway, { signals: ['TERM'] }],
      "was given an array of 1 for signals; expected an array of signals, such as ['SIGTERM']",
    ],
    ['no function', [createPlainServer(), gateway, { onStopped: 0 }], 'was given 0 for onStopped; expected a function'],
  ])('refuses what it could not stop: %s', (_, given, message) => {
    const before = process.listenerCount('SIGTERM')
    expect(() => stopOnSignals(...(given as Parameters<typeof stopOnSignals>))).toThrow(
      refusal(`stopOnSignals ${message}.`),
    )
    expect(process.listenerCount('SIGTERM')).toBe(before)
  })

  it('closes every gateway of several, also behind one that cannot', async () => {
    const closed: string[] = []
    const closing = (name: string) => ({
      close: async ({ timeoutMs = 0 } = {}) => void closed.push(`${name} ${timeoutMs}`),
    })
    const broken = { close: () => Promise.reject(new Error('cannot')) }
    const server = createPlainServer().listen(0)
    const gateways = [closing('a'), broken, closing('b')]
    const cut = await new Promise<number>((onStopped) => {
      const forget = stopOnSignals(server, gateways, { signals: ['SIGUSR2'], graceMs: 1_000, onStopped })
      process.emit('SIGUSR2')
      forget()
    })
    expect([closed, cut, server.listening]).toEqual([['a 1500', 'b 1500'], 0, false])
  })
})
