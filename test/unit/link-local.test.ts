import dns from 'node:dns'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { guardedLookup, isLinkLocal } from '../../packages/core/src/forward/link-local.ts'

afterEach(() => vi.restoreAllMocks())

function answering(addresses: readonly string[]): void {
  const all = addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }))
  vi.spyOn(dns, 'lookup').mockImplementation(((
    _: string,
    { all: asList }: { all?: boolean },
    done: (...result: unknown[]) => void,
  ) => (asList === true ? done(null, all) : done(null, all[0]?.address, all[0]?.family))) as never)
}

function resolve(all: boolean): Promise<unknown> {
  return new Promise((done, reject) =>
    guardedLookup('shop.example', { all }, (error, found) => (error === null ? done(found) : reject(error))),
  )
}

describe('a link-local address', () => {
  it.each([
    '169.254.169.254',
    '169.254.0.0',
    '169.254.255.255',
    'fe80::1',
    'febf::1',
    '::ffff:169.254.169.254',
    '::ffff:a9fe:a9fe',
    'fd00:ec2::254',
    '64:ff9b::a9fe:a9fe',
    '::ffff:0:a9fe:a9fe',
    '::169.254.169.254',
    '2002:a9fe:a9fe::1',
  ])('is %s', (address) => {
    expect(isLinkLocal(address)).toBe(true)
  })

  it.each([
    '169.253.255.255',
    '169.255.0.0',
    '127.0.0.1',
    '10.0.0.1',
    'fec0::1',
    '::1',
    '2002:a9ff::1',
    'shop.example',
    '',
  ])('is not %j', (address) => {
    expect(isLinkLocal(address)).toBe(false)
  })
})

describe('a guarded lookup', () => {
  it.each([true, false])('gives the addresses of a name (all of them: %s)', async (all) => {
    answering(['192.0.2.1', '2001:db8::1'])
    const list = [
      { address: '192.0.2.1', family: 4 },
      { address: '2001:db8::1', family: 6 },
    ]
    expect(await resolve(all)).toEqual(all ? list : '192.0.2.1')
  })

  it.each([true, false])('refuses a name one of whose addresses is link-local (all of them: %s)', async (all) => {
    answering(['169.254.169.254', '192.0.2.1'])
    await expect(resolve(all)).rejects.toMatchObject({ code: 'PSTN_UPSTREAM_FORBIDDEN' })
  })
})
