/** A request of the demo, and what makes its answer the right one. */
export interface Scene {
  readonly title: string
  readonly method?: string
  readonly path: string
  readonly key?: string
  readonly status: number
  /** A part of the body that proves the point. */
  readonly body: string
}

export const SCENES: readonly Scene[] = [
  {
    title: 'passes the chain',
    path: '/orders/7',
    key: 'gold-key',
    status: 200,
    body: '"id":"7"',
  },
  {
    title: 'without a key: auth denies',
    path: '/orders/7',
    status: 401,
    body: 'Unknown key',
  },
  {
    title: 'the free tier only reads: postAuth denies',
    method: 'DELETE',
    path: '/orders/7',
    key: 'free-key',
    status: 403,
    body: 'The free tier only reads',
  },
  {
    title: 'a virtual endpoint: a plugin answers',
    path: '/orders/me',
    key: 'gold-key',
    status: 200,
    body: '"name":"ada"',
  },
  {
    title: 'a virtual endpoint that aggregates two upstreams',
    path: '/orders/7/summary',
    key: 'gold-key',
    status: 200,
    body: '"left":40',
  },
  {
    title: "routed to the caller's region",
    path: '/orders/7/invoice',
    key: 'free-key',
    status: 200,
    body: '"currency":"USD"',
  },
  {
    title: 'changed by post: no debug and no key upstream',
    path: '/orders/8?debug=1&full=1',
    key: 'gold-key',
    status: 200,
    body: '"saw":{"url":"/8?full=1","tier":"gold"}',
  },
]
