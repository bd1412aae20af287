import { describe, expect, it } from 'vitest'
import { memoryStore } from '../../packages/core/src/session/memory-store.ts'
import { parseSession, snapshotOf } from '../../packages/core/src/session/session.ts'

describe('parseSession', () => {
  it('fills in what an auth plugin left out', () => {
    expect(parseSession({ metadata: { token: 'a' } })).toEqual({
      keyId: 'a',
      alias: '',
      tags: [],
      rate: 0,
      per: 0,
      quotaMax: 0,
      quotaRenewalRate: 0,
      expires: 0,
      isInactive: false,
      metadata: { token: 'a' },
    })
  })

  it('keeps what the auth plugin said', () => {
    const said = {
      alias: 'Ann',
      tags: ['x'],
      rate: 5,
      per: 10,
      quotaMax: 100,
      quotaRenewalRate: 60,
      expires: 9,
      isInactive: true,
    }
    expect(parseSession({ ...said, metadata: { token: 'a', tier: 'gold' } })).toEqual({
      ...said,
      keyId: 'a',
      metadata: { token: 'a', tier: 'gold' },
    })
  })

  it('takes undefined for what was left out', () => {
    expect(
      parseSession({ rate: undefined, tags: undefined, alias: undefined, metadata: { token: 'a' } }),
    ).toMatchObject({ rate: 0, tags: [], alias: '' })
  })

  it('shares nothing with what the plugin keeps', () => {
    const input = { tags: ['x'], metadata: { token: 'a', nested: { deep: 1 } } }
    const session = parseSession(input)
    input.tags.push('y')
    input.metadata.nested.deep = 2
    session.metadata['mine'] = true
    expect([session.tags, session.metadata, Object.keys(input.metadata)]).toEqual([
      ['x'],
      { token: 'a', nested: { deep: 1 }, mine: true },
      ['token', 'nested'],
    ])
    expect([Object.isFrozen(session), Object.isFrozen(session.tags), Object.isFrozen(session.metadata)]).toEqual([
      true,
      true,
      false,
    ])
  })

  it.each([
    ['no metadata', {}],
    ['null for metadata', { metadata: null }],
    ['no token', { metadata: {} }],
    ['an empty token', { metadata: { token: '' } }],
    ['a token that is no text', { metadata: { token: 5 } }],
  ])('finds no caller in a session with %s', (_, value) => {
    expect(() => parseSession(value)).toThrow(expect.objectContaining({ code: 'PSTN_SESSION_MISSING' }))
  })

  it.each<[string, unknown, string]>([
    ['text', 'a', 'An auth plugin returned "a"'],
    ['a list', [], 'An auth plugin returned an array of 0'],
    ['an unknown field', { Rate: 5, metadata: { token: 'a' } }, 'no field "Rate"'],
    ['a rate that is text', { rate: '5', metadata: { token: 'a' } }, 'rate is "5"; expected a number'],
    ['a rate that is null', { rate: null, metadata: { token: 'a' } }, 'rate is null; expected a number'],
    ['an expires that is NaN', { expires: Number.NaN, metadata: { token: 'a' } }, 'expires is NaN; expected a number'],
    [
      'an isInactive that is a number',
      { isInactive: 1, metadata: { token: 'a' } },
      'isInactive is 1; expected a boolean',
    ],
    ['an alias that is a number', { alias: 1, metadata: { token: 'a' } }, 'alias is 1; expected a string'],
    ['tags that are text', { tags: 'a', metadata: { token: 'a' } }, 'tags is "a"; expected an array of strings'],
    ['tags of numbers', { tags: [1], metadata: { token: 'a' } }, 'tags is an array of 1; expected an array of strings'],
    ['metadata that is text', { metadata: 'a' }, 'metadata is "a"; expected an object'],
    ['metadata with a function', { metadata: { token: 'a', f: () => 1 } }, 'cannot be stored'],
  ])('says what is wrong with %s', (_, value, message) => {
    expect(() => parseSession(value)).toThrow(
      expect.objectContaining({ code: 'PSTN_PLUGIN_BAD_RETURN', message: expect.stringContaining(message) }),
    )
  })

  it('is not led astray by __proto__', () => {
    const value = JSON.parse('{"metadata":{"token":"a","__proto__":{"admin":true}}}') as unknown
    const { metadata } = parseSession(value)
    expect([metadata['admin'], ({} as Record<string, unknown>)['admin']]).toEqual([undefined, undefined])
  })
})

describe('snapshotOf', () => {
  it('is a frozen copy', () => {
    const session = parseSession({ metadata: { token: 'a', list: [{ x: 1 }] } })
    const snapshot = snapshotOf(session)
    session.metadata['later'] = true
    expect(snapshot.metadata).toEqual({ token: 'a', list: [{ x: 1 }] })
    const [first] = snapshot.metadata['list'] as object[]
    expect([snapshot, snapshot.metadata, first].map((part) => Object.isFrozen(part))).toEqual([true, true, true])
  })

  it('of metadata that cannot be copied throws', () => {
    const session = parseSession({ metadata: { token: 'a' } })
    session.metadata['f'] = () => 1
    expect(() => snapshotOf(session)).toThrow('could not be cloned')
  })
})

describe('the memory store', () => {
  const known = (token: string) => snapshotOf(parseSession({ metadata: { token } }))

  it('gives back what it was given, and undefined for strangers', () => {
    const store = memoryStore()
    const ann = known('ann')
    store.set('ann', ann)
    expect([store.get('ann'), store.get('bob'), store.get('__proto__')]).toEqual([ann, undefined, undefined])
  })

  it('lets go of the one unused for longest', () => {
    const store = memoryStore(2)
    store.set('a', known('a'))
    store.set('b', known('b'))
    store.get('a')
    store.set('c', known('c'))
    store.set('c', known('c'))
    expect(['a', 'b', 'c'].map((key) => store.get(key)?.keyId)).toEqual(['a', undefined, 'c'])
  })
})
