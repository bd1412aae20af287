import { type Charge, privateKeys } from '@postern/core/store'
import type { CounterKind, Layout } from './layout.ts'

const KINDS: { readonly [K in Charge['kind']]: readonly [kind: CounterKind, name: string] } = {
  'sliding-window': ['s', 'r'],
  'fixed-window': ['w', 'w'],
  gcra: ['g', 'g'],
  quota: ['p', 'q'],
}

/** `postern:{<subject>}:s` and `postern:{<subject>}:r:<period>:<scope>:<endpoint>`: everything of one subject in one slot. */
export function privateLayout(prefix: string): Layout {
  const start = `${prefix}:{`
  const end = '}:s'
  return {
    keys: privateKeys,
    session: (id) => start + escape(id, '}') + end,
    idOf: (name) =>
      name.startsWith(start) && name.endsWith(end) ? unescape(name.slice(start.length, -end.length)) : undefined,
    allSessions: `${prefix.replaceAll(/[*?[\]\\]/g, '\\$&')}:{*}:s`,
    counter: (charge) => ({ name: privateCounter(prefix, charge), kind: KINDS[charge.kind][0] }),
    // The times in a counter decide; the server's expiry is for tidiness and must not come first.
    slackMs: 1000,
  }
}

/** The period is part of the name: under another one a counter starts afresh. */
export function privateCounter(prefix: string, { kind, subject, scope, endpoint, periodMs }: Charge): string {
  return `${prefix}:{${escape(subject, '}')}}:${KINDS[kind][1]}:${periodMs}:${escape(scope, ':')}:${endpoint}`
}

/** Keeps `separator` out of a part of a name. */
function escape(part: string, separator: '}' | ':'): string {
  if (!part.includes(separator) && !part.includes('%')) return part
  return part.replaceAll('%', '%25').replaceAll(separator, separator === '}' ? '%7D' : '%3A')
}

function unescape(part: string): string {
  return part.replaceAll('%7D', '}').replaceAll('%25', '%')
}
