import { describe, expect, it } from 'vitest'
import { SecretTexts } from '../../../packages/inspector/src/masking.ts'

const pairs = (count: number): string => Array.from({ length: count }, (_, i) => `name-${i}=value-${i}`).join('; ')

describe('the secrets of a request', () => {
  it('are taken out of a text, also behind as many cookies as a browser sends', () => {
    const secrets = new SecretTexts()
    secrets.add(pairs(180))
    secrets.add('Bearer gold-key')
    expect(secrets.show('the key is gold-key, the last cookie value-179')).toBe('the key is ***, the last cookie ***')
  })

  it('hide every text where there are too many to look for', () => {
    const secrets = new SecretTexts()
    secrets.add(pairs(2_000))
    secrets.add('Bearer gold-key')
    expect(secrets.show('the key is gold-key')).toBe('***')
  })
})
