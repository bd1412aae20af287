import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { digest } from '../../packages/core/src/session/digest.ts'

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')

describe('digest', () => {
  it('is SHA-256 however often a text comes, among many that come once', () => {
    for (let i = 0; i < 40_000; i += 1) {
      const own = `own-${i % 100}`
      expect(digest(own)).toBe(sha256(own))
      const other = `other-${i}`
      expect(digest(other)).toBe(sha256(other))
    }
  })

  it('tells texts apart that differ in their last character, or in more than one byte holds', () => {
    const texts = ['', 'a', 'b', 'é', 'e\u0301', '€', 'x'.repeat(256), `${'x'.repeat(256)}y`, `${'x'.repeat(256)}z`]
    for (let round = 0; round < 100; round += 1) for (const text of texts) expect(digest(text)).toBe(sha256(text))
  })
})
