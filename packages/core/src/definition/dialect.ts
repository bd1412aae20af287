import { isFields } from './tyk-document.ts'
import { isResource, translateClassic } from './tyk-classic.ts'
import { translateOas } from './tyk-oas.ts'
import type { Fields, Translation, TranslationContext } from './translation.ts'

export type Dialect = 'native' | 'oas' | 'classic'

const NATIVE = new Set(['listenPath', 'upstream', 'hooks', 'endpoints', 'authentication', 'limits'])

/** Tells by its shape what a document is written in. Whatever is neither of Tyk's is native, and checked as that. */
export function dialectOf(document: unknown): Dialect {
  if (!isFields(document)) return 'native'
  const keys = Object.keys(document)
  if (keys.includes('x-tyk-api-gateway') || typeof document['openapi'] === 'string') return 'oas'
  if (isResource(document)) return 'classic'
  if (keys.some((key) => NATIVE.has(key))) return 'native'
  const classic = keys.some((key) => key === 'proxy' || key === 'CORS' || /^[a-z]+(?:_[a-z0-9]+)+$/.test(key))
  return classic ? 'classic' : 'native'
}

/** A document of any dialect in the native form. Never throws. */
export function translate(document: unknown, context: TranslationContext): Translation {
  const dialect = dialectOf(document)
  const fields = document as Fields
  if (dialect === 'oas') return translateOas(fields, context)
  if (dialect === 'classic') return translateClassic(fields, context)
  return { input: fields, origins: new Map(), problems: [], warnings: [], active: true }
}
