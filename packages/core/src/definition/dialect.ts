import type { Fields, Translate } from './translation.ts'

export function dialectOf(_document: Fields): 'native' | 'oas' | 'classic' {
  return 'native'
}

export const translate: Translate = (document) => ({
  input: document,
  origins: new Map(),
  problems: [],
  warnings: [],
  active: true,
})
