import { defineApi, type Forwarder, type PrePlugin } from '@postern/core'
import { createCore, GatewayHeaders, type GatewayRequest, GatewayResponse, type HostCall } from '@postern/core/host'
import { callTo } from './call-to.ts'
import { keepFigures } from '../report/result-files.ts'
import { costsOf, type Work } from './costs.ts'
import { printCosts } from './print-costs.ts'

const passes: PrePlugin = () => undefined
const passesLater: PrePlugin = () => Promise.resolve(undefined)
const setsHeader: PrePlugin = (request) => request.headers.set('x-tenant', 'acme')

/** What the chain itself costs, without a network: accept, plugins, answer of a mock upstream, record. */
export async function benchChain({ quick }: { readonly quick: boolean }): Promise<void> {
  const works: readonly Work[] = [
    chainOf('empty chain', []),
    chainOf('1 synchronous plugin', [passes]),
    chainOf('10 synchronous plugins', times(10, passes)),
    chainOf('100 synchronous plugins', times(100, passes)),
    chainOf('10 that set a header', times(10, setsHeader)),
    chainOf('1 asynchronous plugin', [passesLater]),
    chainOf('10 asynchronous plugins', times(10, passesLater)),
    { name: 'only the forwarder', once: () => forward(request) },
  ]
  const title = 'one request through the chain'
  const costs = await costsOf(title, works, { rounds: quick ? 3 : 15, sliceMs: quick ? 30 : 100 })
  printCosts(title, costs, 'empty chain')
  keepFigures('chain', costs, !quick)
}

const forward: Forwarder = () => new GatewayResponse(200, new GatewayHeaders([]), undefined, 0)

/** Stands for any: this forwarder looks at nothing. */
const request = undefined as unknown as GatewayRequest

function times(count: number, plugin: PrePlugin): PrePlugin[] {
  return Array.from({ length: count }, () => plugin)
}

export function chainOf(name: string, pre: readonly PrePlugin[]): Work {
  const core = createCore(
    defineApi({ name: 'orders', listenPath: '/orders/', upstream: 'http://127.0.0.1:9', hooks: { pre } }),
    { forward },
  )
  return { name, once: () => askCore(core, callTo('/orders/stock/7?full=1')) }
}

/** As a host asks: a promise is waited for only where there is one. Resolves to the status; 0: it is not for this gateway. */
export function askCore(core: ReturnType<typeof createCore>, call: HostCall): number | Promise<number> {
  const accepted = core.accept(call)
  if (accepted === undefined) return 0
  const end = (answer: unknown): number => {
    const status = answer instanceof GatewayResponse ? answer.status : 0
    accepted.conclude(status)
    return status
  }
  const answer = accepted.answer()
  return answer instanceof Promise ? answer.then(end) : end(answer)
}

export { forward as answersAtOnce }
