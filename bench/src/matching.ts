import createRouter from 'find-my-way'
import { bench, do_not_optimize, group, run } from 'mitata'
import { match } from 'path-to-regexp'
import { EndpointTree } from '../../packages/core/dist/chain/endpoint-tree.js'

const NOUNS = ['users', 'orders', 'invoices', 'carts', 'products', 'stores', 'teams', 'events', 'files', 'notes']

/** Templates as services have them: `/users17/:id/orders/:orderId`. */
function templates(count: number): string[] {
  return Array.from({ length: count }, (_, i) => {
    const first = NOUNS[i % NOUNS.length] ?? ''
    const second = NOUNS[(i * 7 + 3) % NOUNS.length] ?? ''
    return `/${first}${Math.floor(i / NOUNS.length)}/:id/${second}/:${second}Id`
  })
}

/** One lookup among 10, 1,000 and 10,000 endpoints: the first, the last, and one that matches nothing. */
export async function benchMatching(): Promise<void> {
  for (const count of [10, 1_000, 10_000]) {
    const paths = templates(count)
    const tree = new EndpointTree<number>()
    for (const [i, path] of paths.entries()) tree.add(`GET ${path}`, i)
    const router = createRouter()
    for (const path of paths) router.on('GET', path, () => undefined)
    const linear = paths.map((path) => match(path, { decode: false, sensitive: true }))
    const requests = {
      first: fill(paths[0] ?? ''),
      last: fill(paths.at(-1) ?? ''),
      miss: '/nothing/5/here/7',
    }
    for (const [which, path] of Object.entries(requests)) {
      group(`${count} endpoints, ${which}`, () => {
        bench('postern tree', () => do_not_optimize(tree.find('GET', path))).baseline(true)
        bench('find-my-way', () => do_not_optimize(router.find('GET', path)))
        bench('path-to-regexp, one after the other', () =>
          do_not_optimize(linear.find((matches) => matches(path) !== false)))
      })
    }
  }
  await run({ throw: true, colors: process.stdout.isTTY })
}

function fill(template: string): string {
  return template.replaceAll(/:\w+/g, '12345')
}
