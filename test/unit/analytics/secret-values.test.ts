import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Masks } from '../../../packages/core/src/analytics/masks.ts'
import { SecretValues } from '../../../packages/core/src/analytics/secret-values.ts'

const masks = new Masks({ headers: ['authorization', 'cookie', 'x-key'], query: ['key'], bodyFields: [] }, false)

const valuesOf = (lines: readonly string[], target = '/'): SecretValues => {
  const values = new SecretValues()
  values.addFields(lines, masks)
  values.addQuery(target, masks)
  return values
}

describe('the value of a secret field', () => {
  it.each<[string, readonly string[], string, string, string]>([
    ['as it is', ['X-Key', 'abcdefgh'], '/', 'you said abcdefgh!', 'you said ***!'],
    ['without its scheme', ['Authorization', 'Bearer abcdefgh'], '/', 'abcdefgh', '***'],
    ['decoded', ['Authorization', `Basic ${btoa('ann:abcdefgh')}`], '/', 'ann:abcdefgh and abcdefgh', '*** and ***'],
    ['of one of several cookies', ['Cookie', 'a=1; b=abcdefgh'], '/', '{"b":"abcdefgh"}', '{"b":"***"}'],
    ['of a parameter', [], '/?x=1&key=abc%20d%22efgh', 'abc d"efgh, abc d\\"efgh, abc%20d%22efgh', '***, ***, ***'],
    ['cut off', ['X-Key', 'abcdefgh'], '/', 'you said abcde', 'you said ***'],
  ])('is found %s', (_, lines, target, text, shown) => {
    expect(valuesOf(lines, target).removeFrom(text, true)).toBe(shown)
  })

  it('is left where it is too short to be one', () => {
    expect(valuesOf(['X-Key', 'abcdefg', 'Cookie', 'theme=dark']).removeFrom('abcdefg dark')).toBe('abcdefg dark')
  })

  it('is found wherever it stands, and wherever the text ends', () => {
    const few = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), minLength: 8, maxLength: 20 })
    fc.assert(
      fc.property(few, few, few, fc.nat(), (value, before, after, cut) => {
        const whole = `${before}${value}${after}`
        const text = whole.slice(0, before.length + 4 + (cut % (value.length + after.length - 3)))
        const shown = valuesOf(['x-key', value]).removeFrom(text, true)
        expect(shown).not.toContain(value)
        // Of what is cut off, no end of four characters and more is a beginning of the value.
        for (let length = 4; length < value.length; length += 1)
          expect(shown.endsWith(value.slice(0, length))).toBe(false)
      }),
      { numRuns: 2_000 },
    )
  })
})
