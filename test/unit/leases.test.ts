import { createRequest } from '@postern/core'
import { describe, expect, it } from 'vitest'
import type { UpstreamInput } from '../../packages/core/src/api-input.ts'
import { parseDefinitions } from '../../packages/core/src/definition/parse.ts'
import { inPlace } from '../../packages/core/src/loading/load-plugins.ts'
import type { Lease } from '../../packages/core/src/forward/lease.ts'
import { Leases } from '../../packages/core/src/forward/leases.ts'

const NOBODY = { circuitBreaker: () => undefined, targetHealth: () => undefined }

function leases(upstream?: UpstreamInput): Leases {
  return new Leases(inPlace(parseDefinitions({ name: 'a', upstream }).definitions[0]!.draft), NOBODY)
}

/** A lease for a request that a plugin has routed there. */
function leaseFor(of: Leases, url: string): Lease {
  const request = createRequest('/')
  request.upstream = url
  const lease = of.lease(request)
  if (lease instanceof Promise) throw new Error('It has to wait.')
  return lease
}

describe('a lease for where a plugin has routed a request', () => {
  it('is guarded, unless the definition names that origin', () => {
    const of = leases({ targets: ['http://169.254.1.1/v1', 'http://10.0.0.1'] })
    const guarded = ['http://169.254.1.1', 'http://10.0.0.1/other', 'http://169.254.1.1:81', 'https://10.0.0.1'].map(
      (url) => leaseFor(of, url).guarded,
    )
    expect(guarded).toEqual([false, false, true, true])
    expect(leaseFor(leases(), 'http://10.0.0.1').guarded).toBe(true)
  })

  it('has the path the plugin has given it', () => {
    const of = leases({ url: 'http://10.0.0.1' })
    expect(['/a', '/b'].map((path) => leaseFor(of, `http://10.0.0.2${path}`).url.href)).toEqual([
      'http://10.0.0.2/a',
      'http://10.0.0.2/b',
    ])
  })

  it('counts for its origin, also when there are more origins than anybody remembers', () => {
    const of = leases({ url: 'http://10.0.0.1', maxConnections: 2, maxQueued: 0 })
    const held = ['/a', '/b'].map((path) => leaseFor(of, `http://busy.example${path}`))
    expect(() => leaseFor(of, 'http://busy.example/c')).toThrow('maxQueued')
    for (let i = 0; i < 3_000; i += 1) leaseFor(of, `http://h${i}.example`).end()
    expect(() => leaseFor(of, 'http://busy.example')).toThrow('maxQueued')
    for (const lease of held) lease.end()
  })
})
