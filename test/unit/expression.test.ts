import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { isGatewayError } from '../../packages/core/src/errors.ts'
import { compileExpression, type Expression } from '../../packages/core/src/session/expression.ts'

const compile = (source: string): Expression => compileExpression(source, 'PSTN_SESSION_INVALID')

function refusal(source: string): string {
  try {
    compile(source)
  } catch (error) {
    if (isGatewayError(error) && error.code === 'PSTN_SESSION_INVALID') return error.message
    throw error
  }
  throw new Error(`${source} was accepted`)
}

describe('an expression', () => {
  it('gives its matches in order, whole and not by group', () => {
    const expression = compile('[a-z]+(\\d)')
    expect([9, 2].map((most) => expression.matches('ab1 cd2 ef3', most))).toEqual([
      ['ab1', 'cd2', 'ef3'],
      ['ab1', 'cd2'],
    ])
    expect(expression.matches('none', 9)).toEqual([])
  })

  it('can be asked to match the whole text', () => {
    const expression = compile('/orders/\\d+')
    expect(['/orders/1', '/orders/1/x', 'x/orders/1', ''].map((text) => expression.matchesAll(text))).toEqual([
      true,
      false,
      false,
      false,
    ])
  })

  it('sees characters, not halves of them', () => {
    expect(compile('.').matches('😀é', 9)).toEqual(['😀', 'é'])
  })

  it('ends on a text it matches nowhere but in the gaps', () => {
    expect(compile('x*').matches('aa', 100)).toEqual(['', '', ''])
  })
})

describe('an expression that repeats what repeats already', () => {
  it.each([
    ['(a+)+', '(a+)+'],
    ['^(a+)+$', '(a+)+'],
    ['(a*)*', '(a*)*'],
    ['(.*)*x', '(.*)*'],
    ['(?:a*b?)*', '(?:a*b?)*'],
    ['(a|b*)*', '(a|b*)*'],
    ['(a|b*|c)+?', '(a|b*|c)+?'],
    ['x(?:a{2,}){3,}', '(?:a{2,}){3,}'],
    ['((a+))+', '((a+))+'],
    ['((?:a+)?)*', '((?:a+)?)*'],
    ['(\\s*a+\\s*)+', '(\\s*a+\\s*)+'],
    ['(^a+$)*', '(^a+$)*'],
    ['(?P<name>a+)+', '(?P<name>a+)+'],
    ['(?<name>a+)+', '(?<name>a+)+'],
    ['(?i:a+)+', '(?i:a+)+'],
    ['(?i)((?s).+)+', '((?s).+)+'],
    ['([^\\]a]*)*', '([^\\]a]*)*'],
    ['([]a]+)+', '([]a]+)+'],
    ['([[:alpha:]()]+)+', '([[:alpha:]()]+)+'],
    ['(\\pL+)+', '(\\pL+)+'],
    ['(\\p{Greek}+)+', '(\\p{Greek}+)+'],
    ['(\\x{1F600}+)+', '(\\x{1F600}+)+'],
    ['(😀+)+', '(😀+)+'],
    ['(\\x41+)+', '(\\x41+)+'],
    ['(\\101+)+', '(\\101+)+'],
    ['(\\)+)+', '(\\)+)+'],
    ['(\\Q(\\E+)+', '(\\Q(\\E+)+'],
    ['(a\\Q\\E+)+', '(a\\Q\\E+)+'],
    ['(|a+)+', '(|a+)+'],
    ['([a-z]+\\.)+(b+)*', '(b+)*'],
  ])('is refused: %s', (source, part) => {
    const message = refusal(source)
    expect(message).toContain(`repeats what repeats already: ${JSON.stringify(part)}.`)
    expect(message).toContain('"a+" for "(a+)+"')
  })

  it.each([
    '([a-z]+\\.)+',
    '(?:a+b)*',
    '(a+)?',
    '(a+){2,5}',
    '(a?)+',
    '(a{1,3})+',
    '(a|b)+',
    '(?:ab*)+',
    '(?:a*b)*c',
    '(\\Qab\\E+)+',
    '(a{,2})+',
    '(a[+*]b)*',
    '(a\\+)+',
    '([+])+',
    '(\\Q+*\\E)+',
    '\\(a+\\)+',
    '[(]a+[)]+',
    '(a+,)*(a+)',
    '(?:^|,)+',
  ])('is not this one: %s', (source) => {
    expect(compile(source).matchesAll('\n')).toBe(false)
  })
})

describe('an expression that matches the empty string', () => {
  it.each([
    ['a*', true],
    ['.*', true],
    ['', true],
    ['^', true],
    ['^$', true],
    ['\\b', true],
    ['\\Ba?', true],
    ['a|', true],
    ['(a|b*)c?', true],
    ['a{0}', true],
    ['a{0,3}', true],
    ['(?i)', true],
    ['(?i:a*)', true],
    ['\\Q\\E', true],
    ['a\\Q\\E*', true],
    ['\\Qa\\E*', true],
    ['a', false],
    ['a+', false],
    ['a*b', false],
    ['(a|b?)c', false],
    ['[*]', false],
    ['a{,2}', false],
    ['a{1,}', false],
    ['a{10}', false],
    ['\\*', false],
    ['\\Qab\\E*', false],
    ['\\z.', false],
  ])('is known as such: %j %j', (source, matchesEmpty) => {
    expect(compile(source).matchesEmpty).toBe(matchesEmpty)
  })

  const pieces = [
    'a',
    'b',
    '.',
    '[ab]',
    '[^]*]',
    '\\d',
    '\\pL',
    '\\Q*\\E',
    '(',
    '(?:',
    '(?i:',
    '(?P<n>',
    ')',
    '|',
    '*',
    '+',
    '?',
    '{2}',
    '{0,1}',
    '{1,}',
    '{',
    '\\*',
    '(?s)',
    '😀',
    '\\x{41}',
  ]

  it('is the one that RE2 finds in an empty text, whatever the expression', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...pieces), { maxLength: 12 }), (parts) => {
        const source = parts.join('')
        let expression: Expression
        try {
          expression = compile(source)
        } catch {
          // Not RE2, or a nested repetition: the rows above are about those.
          return
        }
        expect([source, expression.matchesEmpty]).toEqual([source, expression.matches('', 1).length === 1])
      }),
      { numRuns: 3_000 },
    )
  })
})

describe('an expression RE2 does not know', () => {
  it.each(['(a)\\1', '(?=a)b', '(?!a)b', '(?<=a)b', '(?<!a)b', '(?>a)', 'a++', '(?P<n>a)(?P=n)', '(?<n>a)\\k<n>'])(
    'is refused with what it lacks: %s',
    (source) => {
      expect(refusal(source)).toMatch(/is not RE2: .+\. RE2 has no backreferences, no lookaheads .+ write it without\./)
    },
  )

  it.each(['(a', 'a)', '[a', '*', 'a**', '\\', '(?x)a', 'a{1001}', '(?:a{1000}){2}', '('.repeat(1_000)])(
    'is refused with the reason: %s',
    (source) => {
      const message = refusal(source)
      expect(message).toMatch(/^The expression ".+" is not RE2: [^.]+\.$/)
      expect(message).not.toContain('parsing regexp')
    },
  )
})

describe('an expression that is too large', () => {
  it('is refused by its length', () => {
    expect(compile('a'.repeat(1_000)).matchesAll('a'.repeat(1_000))).toBe(true)
    expect(refusal('a'.repeat(1_001))).toBe('An expression has 1001 characters; expected at most 1000.')
  })

  it('is refused by its counts', () => {
    expect(compile('^.{1,1000}$').matchesAll('a'.repeat(1_000))).toBe(true)
    expect(refusal('.{1,1000}.{1,1000}')).toMatch(/too large: \d+ steps for a character, expected at most 2048/)
  })
})

it.each(['(a|aa)+$', '(x+x+)+y', '(a|b|ab|ba){30}c', '([a-z]+\\.)+$', '(.*,){5}$', 'a.*b.*c.*d$'])(
  'answers on a text made to hang other engines: %s',
  (source) => {
    for (const letter of ['a', 'x', 'ab', 'a.', ','])
      expect(compile(source).matches(`${letter.repeat(8_192)}!`, 100)).toEqual([])
  },
)
