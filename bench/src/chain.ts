import { defineApi, type Forwarder, type PrePlugin } from '@postern/core'
import { createCore, GatewayHeaders, GatewayResponse, type HostCall } from '@postern/core/host'
import { bench, do_not_optimize, group, run } from 'mitata'

const HEADERS = ['Host', 'localhost', 'User-Agent', 'bench', 'Accept', '*/*', 'Authorization', 'Bearer 12345']

const call: HostCall = {
  method: 'GET',
  originalUrl: '/orders/stock/7?full=1',
  target: '/orders/stock/7?full=1',
  basePath: '',
  httpVersion: '1.1',
  truncated: false,
  rawHeaders: HEADERS,
  peer: { address: '127.0.0.1', encrypted: false },
  body: () => undefined,
}

const passes: PrePlugin = () => undefined
const passesLater: PrePlugin = () => Promise.resolve(undefined)
const setsHeader: PrePlugin = (request) => request.headers.set('x-tenant', 'acme')

/** What the chain itself costs, without a network: accept, plugins, answer of a mock upstream, record. */
export async function benchChain(): Promise<void> {
  const forward: Forwarder = () => new GatewayResponse(200, new GatewayHeaders([]), undefined, 0)
  const contestant = (pre: readonly PrePlugin[]): (() => Promise<void>) => {
    const core = createCore(
      defineApi({ name: 'orders', listenPath: '/orders/', upstream: 'http://127.0.0.1:9', hooks: { pre } }),
      { forward },
    )
    return async () => {
      const accepted = core.accept(call)
      do_not_optimize(await accepted?.answer())
      accepted?.conclude(200)
    }
  }
  group('one request through the chain', () => {
    bench('no plugin', contestant([])).baseline(true)
    bench('1 synchronous plugin', contestant([passes]))
    bench('10 synchronous plugins', contestant(Array.from({ length: 10 }, () => passes)))
    bench('10 that set a header', contestant(Array.from({ length: 10 }, () => setsHeader)))
    bench('1 asynchronous plugin', contestant([passesLater]))
    bench('10 asynchronous plugins', contestant(Array.from({ length: 10 }, () => passesLater)))
  })
  await run({ throw: true, colors: process.stdout.isTTY })
}
