import type { Charge } from '@postern/core/store'
import type { Layout } from './layout.ts'
import { privateCounter, privateLayout } from './private-layout.ts'
import { hashOf, tykKeys, type TykKeyOptions } from './tyk-keys.ts'

export interface TykOptions extends TykKeyOptions {
  /** Whose APIs these are; undefined: limits of APIs are not shared with a real gateway. */
  readonly orgId: string | undefined
}

const SESSION = 'apikey-'
const API = 'api:'
const CALLER = 'caller:'

/** The names a real gateway uses. Those of one subject lie in different slots of a Cluster. */
export function tykLayout(prefix: string, options: TykOptions): Layout {
  const own = privateLayout(prefix)
  return {
    keys: tykKeys(options),
    // What plugins made is no key: a real gateway that found it under a key's name would let its id in.
    session: (id) => (id.startsWith(CALLER) ? own.session(id) : SESSION + id),
    idOf: (name) => (name.startsWith(SESSION) ? name.slice(SESSION.length) : undefined),
    allSessions: `${SESSION}*`,
    counter(charge) {
      if (charge.kind === 'quota') return { name: quota(charge), kind: 'i' }
      if (charge.kind !== 'sliding-window') return own.counter(charge)
      const name = slidingWindow(charge, options)
      // Nobody shares the counter of an API whose organisation is not known: it need not be one a real gateway reads.
      return name === undefined ? { name: privateCounter(prefix, charge), kind: 's' } : { name, kind: 'z' }
    },
    slackMs: 0,
  }
}

function quota({ subject, scope }: Charge): string {
  return scope === '' ? `quota-${subject}` : `quota-${scope}-${subject}`
}

function slidingWindow({ subject, scope, endpoint }: Charge, { orgId, hashKeys }: TykOptions): string | undefined {
  const suffix = endpoint === '' ? '' : hashOf(endpoint.replace(' ', ':'))
  if (!subject.startsWith(API)) return joined('rate-limit', scope, subject, suffix)
  if (orgId === undefined) return undefined
  const limiter = joined(`apilimiter-${orgId}${subject.slice(API.length)}`, suffix)
  return joined('rate-limit', scope, hashKeys ? hashOf(limiter) : limiter)
}

/** Parts without dashes at their ends, joined by one; empty ones are left out. */
function joined(...parts: readonly string[]): string {
  return parts
    .map((part) => part.replaceAll(/^-+|-+$/g, ''))
    .filter((part) => part !== '')
    .join('-')
}
