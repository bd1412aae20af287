import {
  defineApi,
  type Forwarder,
  type KeyInput,
  type PrePlugin,
  type PostAuthPlugin,
  type PostPlugin,
} from '@postern/core'
import { createCore, GatewayHeaders, GatewayResponse, type HostCall } from '@postern/core/host'
import { callTo } from '../inside/call-to.ts'
import { evenTrace } from './key-limits.ts'
import { type Contestant, expectExact, type Limits, measure } from './rounds.ts'
import { printResults } from '../table.ts'

const KEYS = 1_000

/** One whole request, without a network: accept, key, limits, plugins, answer of a mock upstream, record. */
export async function benchKeyChain(quick: boolean): Promise<void> {
  const keyless = chain('no key', { keyed: false, limited: false, plugins: false })
  const limited = [
    chain('key, rate and quota', { keyed: true, limited: true, plugins: false }),
    chain('key, rate, quota and 3 plugins', { keyed: true, limited: true, plugins: true }),
  ]
  await expectExact(limited, 1)
  const contestants = [keyless, chain('key', { keyed: true, limited: false, plugins: false }), ...limited]
  const trace = evenTrace(quick ? 5_000 : 50_000, KEYS)
  const limits: Limits = { rate: 1e6, perSeconds: 3600, quota: 1e8, renewalSeconds: 86_400 }
  const rounds = quick ? 3 : 9
  const name = `one request through the chain, ${KEYS.toLocaleString('en')} keys in memory`
  const workload = { name, limits, keys: KEYS, trace, warmUp: trace, inFlight: 1, rounds }
  const results = await measure(workload, contestants, keyless)
  printResults(workload, results, keyless.name)
}

const pre: PrePlugin = (request) => request.headers.set('x-tenant', 'acme')
const postAuth: PostAuthPlugin = () => undefined
const post: PostPlugin = () => undefined

const forward: Forwarder = () => new GatewayResponse(200, new GatewayHeaders([]), undefined, 0)

interface Setup {
  readonly keyed: boolean
  readonly limited: boolean
  readonly plugins: boolean
}

function chain(name: string, { keyed, limited, plugins }: Setup): Contestant {
  return {
    name,
    async open(limits, keys) {
      const core = createCore(
        defineApi({
          name: 'orders',
          listenPath: '/orders/',
          upstream: 'http://127.0.0.1:9',
          ...(keyed ? { authentication: { token: true } } : {}),
          hooks: plugins ? { pre: [pre], postAuth: [postAuth], post: [post] } : {},
        }),
        { forward },
      )
      const session: KeyInput = {
        accessRights: { orders: {} },
        ...(limited
          ? {
              rate: limits.rate,
              per: limits.perSeconds,
              quotaMax: limits.quota,
              quotaRenewalRate: limits.renewalSeconds,
            }
          : {}),
      }
      const calls: HostCall[] = []
      while (calls.length < keys) {
        const key = keyed ? (await core.facade.sessions.create(session)).key : 'nobody'
        calls.push(callTo('/orders/stock/7?full=1', key))
      }
      return {
        async decide(i) {
          const accepted = core.accept(calls[i]!)
          const answer = await accepted?.answer()
          const status = answer instanceof GatewayResponse ? answer.status : 0
          accepted?.conclude(status)
          if (status !== 200 && status !== 403 && status !== 429)
            throw new Error(`${name}: the answer has status ${status}`)
          return status === 200
        },
        close: () => core.facade.close(),
      }
    },
  }
}
