import { type Fields, isFields } from '../fields.ts'
import { isFunction } from '../functions.ts'
import { isResource, translateClassic } from './tyk/classic.ts'
import { translateOas } from './tyk/oas.ts'
import type { Translation, TranslationContext } from './translation.ts'

export type Dialect = 'native' | 'oas' | 'classic'

const NATIVE = new Set(['listenPath', 'upstream', 'hooks', 'endpoints', 'authentication', 'limits'])

/** One of them has every Classic document that is more than a name. */
const CLASSIC = new Set([
  'proxy',
  'api_id',
  'org_id',
  'use_keyless',
  'version_data',
  'extended_paths',
  'custom_middleware',
  'custom_middleware_bundle',
  'analytics_plugin',
  'auth',
  'auth_configs',
  'config_data',
])

/** Tells by its shape what a document is written in. Whatever is neither of Tyk's is native, and checked as that. */
export function dialectOf(document: unknown): Dialect {
  if (!isFields(document)) return 'native'
  const keys = Object.keys(document)
  if (keys.includes('x-tyk-api-gateway') || typeof document['openapi'] === 'string') return 'oas'
  if (isResource(document)) return 'classic'
  if (keys.some((key) => NATIVE.has(key))) return 'native'
  // A plugin in the wrong place is in no document.
  return keys.some((key) => CLASSIC.has(key) && !isFunction(document[key])) ? 'classic' : 'native'
}

/** A document of any dialect in the native form. Never throws. */
export function translate(document: unknown, context: TranslationContext): Translation {
  const dialect = dialectOf(document)
  const fields = document as Fields
  if (dialect === 'oas') return translateOas(fields, context)
  if (dialect === 'classic') return translateClassic(fields, context)
  return { input: fields, origins: new Map(), elsewhere: new Map(), problems: [], warnings: [], active: true }
}
