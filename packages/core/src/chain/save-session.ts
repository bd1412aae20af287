import { describe } from '../errors.ts'
import type { Maybe } from '../hooks.ts'
import { freezeData } from '../session/data.ts'
import { KEPT_FOR_EVER, remainingLifetime } from '../session/lifetime.ts'
import { isKeyId } from '../session/session-id.ts'
import type { Session } from '../session/session.ts'
import { ShapeError } from '../session/shape-error.ts'
import type { Caller } from './caller.ts'
import type { CompiledApi } from './compiled-api.ts'
import type { Exchange } from './exchange.ts'
import { asking, reportUnsaved } from './store-failure.ts'

/** After the answer is out: keeps the session an `auth` plugin made, and what later hooks noted on anybody's. Never rejects. */
export function saveSession(exchange: Exchange): Maybe<void> {
  const { caller, others, api } = exchange
  if (caller === undefined) return undefined
  const saving = [caller, ...others].map((one) => saveOne(one, isLimited(exchange), api))
  const pending = saving.filter((one) => one instanceof Promise)
  return pending.length === 0 ? undefined : Promise.all(pending).then(() => undefined)
}

/** Refused by a limit: asking again and again must not make the store write again and again. */
function isLimited({ code }: Exchange): boolean {
  return code === 'PSTN_RATE_LIMITED' || code === 'PSTN_API_RATE_LIMITED' || code === 'PSTN_QUOTA_EXCEEDED'
}

function saveOne(caller: Caller, limited: boolean, api: CompiledApi): Maybe<void> {
  let changes: ReadonlyMap<string, unknown>
  try {
    changes = caller.metadataChanges()
  } catch (error) {
    // What JSON cannot say is the plugins' mistake; the stored session stays as it was.
    return notSaved(api, error instanceof ShapeError ? `${error.path} ${error.message}` : describe(error))
  }
  if (caller.stored === undefined) return limited && changes.size === 0 ? undefined : saveNew(caller, changes, api)
  return changes.size === 0 ? undefined : saveChanges(caller, changes, api)
}

/** The plugin's word is the whole session, whatever was stored. */
function saveNew({ id, own }: Caller, changes: ReadonlyMap<string, unknown>, api: CompiledApi): Maybe<void> {
  const session = withChanges(own, changes)
  return asking(
    () => api.services.store.save(id, session, remainingLifetime(session, api.definition), 'anything'),
    () => undefined,
    (error) => reportUnsaved(error, api),
  )
}

const ATTEMPTS = 5

/** Only what was changed is put into what is stored by then: another request, or an operator, may have changed the rest. */
function saveChanges(
  caller: Caller,
  changes: ReadonlyMap<string, unknown>,
  api: CompiledApi,
  attempt = 1,
): Maybe<void> {
  const { store } = api.services
  return asking(
    () => store.load(caller.id, 'confirmed'),
    (stored) => {
      // A key that was deleted meanwhile stays deleted.
      if (stored === undefined) return undefined
      const session = withChanges(stored.session, changes)
      return asking(
        () => store.save(caller.id, session, keptFor(session, caller, api), { revision: stored.revision }),
        (saved) => {
          if (saved) return undefined
          if (attempt < ATTEMPTS) return saveChanges(caller, changes, api, attempt + 1)
          return notSaved(api, `it changed ${ATTEMPTS} times while it was being saved`)
        },
        (error) => reportUnsaved(error, api),
      )
    },
    (error) => reportUnsaved(error, api),
  )
}

/** A key lives as long as it says; a session some plugin made, as long as the API says. */
function keptFor(session: Session, { id }: Caller, { definition }: CompiledApi): number {
  return remainingLifetime(session, isKeyId(id) ? KEPT_FOR_EVER : definition)
}

function withChanges(session: Session, changes: ReadonlyMap<string, unknown>): Session {
  if (changes.size === 0) return session
  const fields = new Map(Object.entries(session.metadata))
  for (const [name, value] of changes) {
    if (value === undefined) fields.delete(name)
    else fields.set(name, value)
  }
  return Object.freeze({ ...session, metadata: freezeData(Object.fromEntries(fields)) })
}

function notSaved({ services, info }: CompiledApi, why: string): void {
  services.events.warn(`metadata ${info.id}`, `Session metadata of API "${info.name}" was not saved: ${why}.`)
}
