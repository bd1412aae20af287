import createRouter from 'find-my-way'
import { match } from 'path-to-regexp'
import { addRoute, createRouter as createRou3 } from 'rou3'
import { compileRouter } from 'rou3/compiler'
import { EndpointTree } from '../../../packages/core/dist/chain/endpoint-tree.js'
import { keepFigures } from '../report/result-files.ts'
import { type Costs, costsOf, type Work } from './costs.ts'
import { printCosts } from './print-costs.ts'

const NOUNS = ['users', 'orders', 'invoices', 'carts', 'products', 'stores', 'teams', 'events', 'files', 'notes']

/** Templates as services have them: `/users17/:id/orders/:orderId`. */
function templates(count: number): string[] {
  return Array.from({ length: count }, (_, i) => {
    const first = NOUNS[i % NOUNS.length] ?? ''
    const second = NOUNS[(i * 7 + 3) % NOUNS.length] ?? ''
    return `/${first}${Math.floor(i / NOUNS.length)}/:id/${second}/:${second}Id`
  })
}

/** One lookup among 10, 1,000 and 10,000 endpoints: the first, the last, any of them in turn, and one that matches nothing. */
export async function benchMatching({ quick }: { readonly quick: boolean }): Promise<void> {
  const all: Costs[] = []
  for (const count of [10, 1_000, 10_000]) {
    const paths = templates(count)
    const lookups = lookupsIn(paths)
    const requests: Readonly<Record<string, readonly string[]>> = {
      any: Array.from({ length: 1_000 }, (_, i) => fill(paths[(i * 7_919) % count] ?? '')),
      first: [fill(paths[0] ?? '')],
      last: [fill(paths.at(-1) ?? '')],
      none: ['/nothing/5/here/7'],
    }
    for (const [which, targets] of Object.entries(requests)) {
      const title = `${count.toLocaleString('en')} endpoints, ${which}`
      const works = Object.entries(lookups).map(([name, find]) => ({ name, once: inTurn(targets, find) }))
      const costs = await costsOf(title, works, { rounds: quick ? 3 : 7, sliceMs: quick ? 10 : 40 })
      printCosts(title, costs, 'find-my-way')
      for (const cost of costs) all.push({ ...cost, name: `${title}: ${cost.name}` })
    }
  }
  keepFigures('matching', all, !quick)
}

type Lookup = (path: string) => unknown

function lookupsIn(paths: readonly string[]): Readonly<Record<string, Lookup>> {
  const tree = new EndpointTree<number>()
  const router = createRouter()
  const rou3 = createRou3<number>()
  for (const [i, path] of paths.entries()) {
    tree.add(`GET ${path}`, i)
    router.on('GET', path, () => undefined)
    addRoute(rou3, 'GET', path, i)
  }
  const compiled = compileRouter(rou3)
  const linear = paths.map((path) => match(path, { decode: false, sensitive: true }))
  return {
    'postern tree': (path) => tree.find('GET', path),
    'find-my-way': (path) => router.find('GET', path),
    'rou3, compiled': (path) => compiled('GET', path),
    'path-to-regexp, one after the other': (path) => linear.find((matches) => matches(path) !== false),
  }
}

function inTurn(targets: readonly string[], find: Lookup): Work['once'] {
  let next = 0
  return () => {
    next = next + 1 === targets.length ? 0 : next + 1
    return find(targets[next]!)
  }
}

function fill(template: string): string {
  return template.replaceAll(/:\w+/g, '12345')
}
