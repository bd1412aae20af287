import { describe, expect, it } from 'vitest'
import {
  hasLooseAlternative,
  literalOnly,
  literalStart,
  matchesEveryPath,
  startsAtStart,
} from '../../packages/cli/src/lint/expression-text.ts'

describe('what an expression says to a look', () => {
  it.each([
    '',
    '.*',
    '^.*',
    '^.*$',
    '.*$',
    '/',
    '^/',
    '/.*',
    '^/.*$',
    '(.*)',
    '^(?:/.*)$',
    '.+',
    '.',
    '$',
    '^',
    '\\A.*\\z',
  ])('sees that %j matches every path', (source) => {
    expect(matchesEveryPath(source)).toBe(true)
  })

  it.each(['^$', '^/$', '/$', '^.$', '/a', '^/a.*', '/.+', '.*a', '[^/]+', '(a|.*)', '\\.', '^/\\$'])(
    'sees that %j does not',
    (source) => {
      expect(matchesEveryPath(source)).toBe(false)
    },
  )

  it.each([
    ['^/a', true],
    ['\\A/a', true],
    ['(?i)^/a', true],
    ['/a', false],
    ['(^/a)', false],
    ['\\^/a', false],
  ])('%j starts at the start of a path: %j', (source, starts) => {
    expect(startsAtStart(source)).toBe(starts)
  })

  it.each([
    ['^/a|/b', true],
    ['/a|^/b', true],
    ['^/a|^/b', false],
    ['^(?:/a|/b)', false],
    ['/a|/b', false],
    ['^/a[|]b', false],
    ['^/a\\|b', false],
    ['^/a[^]|]b', false],
  ])('%j has an alternative without the anchor of the others: %j', (source, loose) => {
    expect(hasLooseAlternative(source)).toBe(loose)
  })

  it.each([
    ['^/orders/v2/[0-9]+$', '/orders/v2/', undefined],
    ['/orders', '/orders', '/orders'],
    ['^/a\\.json', '/a.json', '/a.json'],
    ['/ab*', '/a', undefined],
    ['/ab{2}', '/a', undefined],
    ['/a\\.?', '/a', undefined],
    ['/a\\d', '/a', undefined],
    ['/a$', '/a', undefined],
    ['/a|/b', '', undefined],
    ['(?i)/a', '', undefined],
  ])('every match of %j begins with %j; it is nothing but %j', (source, start, only) => {
    expect([literalStart(source), literalOnly(source)]).toEqual([start, only])
  })
})
