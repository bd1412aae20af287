import { createGateway } from '@postern/http'
import fc from 'fast-check'
import { isAuthority } from '../../packages/core/src/http/authority.ts'
import { below, canonicalPath, parseTarget, restOf } from '../../packages/core/src/http/path.ts'
import { closeLater } from '../support/cleanup.ts'
import { type Attacked, type Fuzzer, found } from './fuzzer.ts'
import { changed, changes } from './raw-bytes.ts'

const PIECES = [
  '/',
  '/',
  '/',
  'a',
  'orders',
  '.',
  '..',
  '%2e',
  '%2E',
  '%2f',
  '%5c',
  '\\',
  '%25',
  '%2561',
  '%',
  '%zz',
  '%00',
  ';',
  '..;x',
  '?',
  '#',
  '&',
  '=',
  '%c3%a4',
  '%c0%ae',
  'ä',
  ' ',
  'http://',
  'a:80',
  '@',
  '[::1]',
  '*',
  '{',
  '~',
  '%7E',
]
const target = fc.oneof(
  { weight: 4, arbitrary: fc.array(fc.constantFrom(...PIECES), { maxLength: 12 }).map((pieces) => pieces.join('')) },
  {
    weight: 3,
    arbitrary: fc.array(fc.constantFrom(...PIECES), { maxLength: 12 }).map((pieces) => `/${pieces.join('')}`),
  },
  { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 60 }) },
  { weight: 2, arbitrary: fc.tuple(fc.webUrl(), changes).map(([url, made]) => changed(url, made)) },
)

const SAFE = /^\/(?!\/)[\w\-.~!$&'()*+,;=:@/%]*$/

/** Request targets: one spelling or none, and every matcher says something about every text. */
export const targets: Fuzzer<string> = {
  input: target,
  count: () => 1,
  show: (text) => JSON.stringify(text),
  async start(): Promise<Attacked<string>> {
    const gateway = createGateway([
      { name: 'a', listenPath: '/a/', endpoints: { 'GET /:id/*rest': [() => undefined], 'GET /x': [() => undefined] } },
      { name: 'orders', listenPath: '/orders/', ignoreCase: true, endpoints: { 'POST /{a/}b': [() => undefined] } },
    ])
    closeLater(() => gateway.close())
    return {
      async check(text) {
        checkPath(text)
        checkTarget(text)
        isAuthority(text)
        gateway.explain('GET', text)
        gateway.explain(text, '/a/1')
      },
    }
  },
}

function checkPath(text: string): void {
  const path = canonicalPath(text)
  if (path === undefined) return
  if (canonicalPath(path) !== path) found('a canonical path has another canonical path', { text, path })
  if (!SAFE.test(path)) found('a canonical path with what no path may have', { text, path })
  // What the next server may make of it by decoding once, by ignoring parameters, or by taking a backslash for a slash.
  const decoded = decodeURIComponent(path).replaceAll('\\', '/')
  for (const segment of decoded.split('/'))
    if (/^\.\.?(?:;|$)/.test(segment)) found('a canonical path that leads elsewhere', { text, path })
  const rest = restOf(path, 1)
  if (below(path, path) === undefined || !rest.startsWith('/')) found('a path that is not below itself', { text, path })
}

function checkTarget(text: string): void {
  const parsed = parseTarget(text)
  if (parsed === undefined) return
  if (!SAFE.test(parsed.path)) found('a target with what no path may have', { text, ...parsed })
  if (/[^\u0021-\u007E]|#/.test(parsed.search)) found('a query with what no query may have', { text, ...parsed })
  const again = parseTarget(parsed.path + (parsed.search === '' ? '' : `?${parsed.search}`))
  if (again?.path !== parsed.path || again.search !== parsed.search)
    found('a target that is another when it is read again', { text, ...parsed, again })
}
