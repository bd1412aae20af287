import type { CompiledApi } from './chain/compiled-api.ts'
import { quotasOf } from './chain/key-quotas.ts'
import { underPolicies } from './chain/let-in.ts'
import { describe, GatewayError, isGatewayError } from './errors.ts'
import { listing } from './listing.ts'
import { nearest } from './nearest.ts'
import { policyIds } from './session/apply-policies.ts'
import { maskKey } from './session/key-scheme.ts'
import { KEPT_FOR_EVER, remainingLifetime } from './session/lifetime.ts'
import type { Policy } from './session/policy.ts'
import { extractedSessionId, isKeyId, isOfApi } from './session/session-id.ts'
import { type KeyInput, parseSession, type Session } from './session/session.ts'
import { checkLimited } from './session/session-rules.ts'
import type { Store, StoredSession } from './session/store.ts'

/** A key: the text itself, or the `id` it is stored under, where the text is not known any more. */
export type KeyRef = string | { readonly id: string }

export interface KeyInfo {
  /** Under which the session is stored: a hash of the key. */
  readonly id: string
  /** What events and logs call the key. */
  readonly masked: string
  /** As it is stored, without its policies. */
  readonly session: Session
}

export interface NewKey extends KeyInfo {
  /** Shown once: what is stored does not give it back. */
  readonly key: string
}

/** Where a quota stands. */
export interface KeyQuota {
  /** Ids of the APIs that count against it. */
  readonly apis: readonly string[]
  readonly max: number
  readonly remaining: number
  /** Unix seconds at which it begins anew; 0: never, or nothing was used yet. */
  readonly renews: number
}

/** Keys and their sessions. A change holds from the next request on, in every process that shares the store. */
export interface Sessions {
  /**
   * Makes a key and stores its session. The key is 256 random bits unless `options.key` gives one.
   *
   * @throws `PSTN_SESSION_INVALID` for a session that cannot be, `PSTN_KEY_EXISTS` for a key that is there already
   * @example
   * const { key } = await gateway.sessions.create({ alias: 'Ann', rate: 5, per: 10, accessRights: { orders: {} } })
   */
  create(input?: KeyInput, options?: { readonly key?: string | undefined }): Promise<NewKey>
  /** Undefined when there is no such key. */
  get(ref: KeyRef): Promise<KeyInfo | undefined>
  /**
   * Replaces the given fields of a key's session; `metadata` and `accessRights` as a whole. Counters go on.
   *
   * @throws `PSTN_KEY_UNKNOWN` when there is no such key, `PSTN_SESSION_INVALID` for a session that cannot be
   */
  update(ref: KeyRef, changes: KeyInput): Promise<KeyInfo>
  /** Refuses the key from the next request on, but keeps its session: `update(key, { isInactive: false })` lets it in again. */
  revoke(ref: KeyRef): Promise<KeyInfo>
  /** Forgets the key; it is refused from the next request on. False when there was none. */
  delete(ref: KeyRef): Promise<boolean>
  /** About `limit` keys (default 100), in no order; `cursor` of the last page asks for the next one. */
  list(page?: { readonly cursor?: string | undefined; readonly limit?: number | undefined }): Promise<KeyPage>
  /** Where the quotas of a key stand, over all APIs of this gateway. */
  quotas(ref: KeyRef): Promise<readonly KeyQuota[]>
  /** Gives a key its whole quota back. */
  resetQuota(ref: KeyRef): Promise<void>
  /** Forgets what an extracted id vouches for: its next request meets the `auth` plugin. False when nothing was known. */
  forget(apiId: string, extractedId: string): Promise<boolean>
}

export interface KeyPage {
  readonly keys: readonly KeyInfo[]
  /** For the next page; undefined after the last one. */
  readonly cursor: string | undefined
}

/** The keys of a store, as the APIs of one gateway understand them. */
export function sessionsOf(store: Store, apis: () => readonly CompiledApi[]): Sessions {
  return new StoredSessions(store, apis)
}

class StoredSessions implements Sessions {
  readonly #store: Store
  readonly #current: () => readonly CompiledApi[]

  constructor(store: Store, apis: () => readonly CompiledApi[]) {
    this.#store = store
    this.#current = apis
  }

  /** As they are served now. */
  get #apis(): readonly CompiledApi[] {
    return this.#current()
  }

  async create(input: KeyInput = {}, options: { readonly key?: string | undefined } = {}): Promise<NewKey> {
    const given = this.#checked(input)
    const orgId = given.orgId === '' ? (this.#apis[0]?.info.orgId ?? '') : given.orgId
    const key = this.#store.keys.create(orgId, checkedKey(options))
    const [id] = this.#store.keys.idsOf(key, orgId)
    const now = new Date()
    const session: Session = Object.freeze({
      ...given,
      orgId,
      expires: given.expires === 0 ? this.#trialEnd(given, now) : given.expires,
      dateCreated: now.toISOString(),
      lastUpdated: secondsOf(now),
    })
    // Asked before anything is written: what an existing key has used stays its own.
    if ((await this.#store.load(id, 'confirmed')) !== undefined) throw existing(id)
    // A key of this name may have existed: what it used is not this one's.
    await this.#store.reset([...quotasOf(session, id, this.#apis).keys()])
    if (!(await this.#store.save(id, session, remainingLifetime(session, KEPT_FOR_EVER), 'absent'))) throw existing(id)
    this.#warnOfMisspelt(session)
    return { ...infoOf(id, session), key }
  }

  async get(ref: KeyRef): Promise<KeyInfo | undefined> {
    const found = await this.#find(ref)
    return found === undefined ? undefined : infoOf(found.id, found.stored.session)
  }

  async update(ref: KeyRef, changes: KeyInput): Promise<KeyInfo> {
    if (typeof changes !== 'object' || changes === null)
      throw new GatewayError('PSTN_SESSION_INVALID', `The changes are ${describe(changes)}; expected an object.`)
    const given = Object.fromEntries(Object.entries(changes).filter(([, value]) => value !== undefined))
    return this.#change(ref, given, (session) => {
      // What was there before is not this change's mistake: it must stay possible to revoke and to mend.
      if (LIMITED.some((field) => field in given)) checkLimited(session, 'The session', 'PSTN_SESSION_INVALID')
      if ('monitor' in given) checkThresholds(session)
      if (POLICIES.some((field) => field in given)) this.#checkPolicies(session)
      if ('accessRights' in given) this.#warnOfMisspelt(session)
    })
  }

  revoke(ref: KeyRef): Promise<KeyInfo> {
    return this.#change(ref, { isInactive: true }, () => undefined)
  }

  async delete(ref: KeyRef): Promise<boolean> {
    const found = await this.#find(ref)
    if (found === undefined) return false
    if (!isKeyId(found.id)) for (const { forgets } of this.#apis) forgets.count += 1
    return this.#store.remove(found.id)
  }

  async list(page: Parameters<Sessions['list']>[0] = {}): Promise<KeyPage> {
    const { limit = 100, cursor: from } = page ?? {}
    if (!Number.isInteger(limit) || limit < 1)
      throw new GatewayError('PSTN_VALUE_INVALID', `limit is ${describe(limit)}; expected an integer, 1 or more.`)
    const { sessions, cursor } = await this.#store.list(from, limit)
    // What plugins made is stored beside the keys.
    const keys = sessions.filter(({ id }) => isKeyId(id))
    return { keys: keys.map(({ id, session }) => infoOf(id, session)), cursor }
  }

  async quotas(ref: KeyRef): Promise<readonly KeyQuota[]> {
    const { id, stored } = await this.#known(ref)
    const quotas = quotasOf(stored.session, id, this.#apis)
    const charges = [...quotas.keys()]
    const standings = await this.#store.peek(charges)
    return charges.map((charge, i) => {
      const { remaining, resetMs } = standings[i]!
      const begun = remaining < charge.max && Number.isFinite(resetMs)
      const renews = begun ? Math.ceil((Date.now() + resetMs) / 1000) : 0
      return { apis: quotas.get(charge) ?? [], max: charge.max, remaining, renews }
    })
  }

  async resetQuota(ref: KeyRef): Promise<void> {
    const { id, stored } = await this.#known(ref)
    await this.#store.reset([...quotasOf(stored.session, id, this.#apis).keys()])
  }

  async forget(apiId: string, extractedId: string): Promise<boolean> {
    for (const { info, forgets } of this.#apis) if (info.id === apiId) forgets.count += 1
    return this.#store.remove(extractedSessionId(apiId, extractedId))
  }

  async #change(ref: KeyRef, changes: KeyInput, check: (session: Session) => void): Promise<KeyInfo> {
    for (;;) {
      const { id, stored } = await this.#known(ref)
      const changed = parseSession({ ...stored.session, ...changes }, 'PSTN_SESSION_INVALID')
      check(changed)
      const session = Object.freeze({ ...changed, lastUpdated: secondsOf(new Date()) })
      const saved = await this.#store.save(id, session, this.#lifetime(id, session), { revision: stored.revision })
      // Somebody else changed it in between: their change counts, and ours on top of it.
      if (saved) return infoOf(id, session)
    }
  }

  /** A key lives as long as it says, a session some plugin made as long as its API says. */
  #lifetime(id: string, session: Session): number {
    const api = this.#apis.find(({ info }) => isOfApi(id, info.id))
    return remainingLifetime(session, api?.definition ?? KEPT_FOR_EVER)
  }

  async #find(ref: KeyRef): Promise<{ readonly id: string; readonly stored: StoredSession } | undefined> {
    for (const id of this.#idsOf(ref)) {
      const stored = await this.#store.load(id, 'confirmed')
      if (stored !== undefined) return { id, stored }
    }
    return undefined
  }

  async #known(ref: KeyRef): Promise<{ readonly id: string; readonly stored: StoredSession }> {
    const found = await this.#find(ref)
    if (found !== undefined) return found
    throw new GatewayError('PSTN_KEY_UNKNOWN', `There is no key ${maskKey(this.#idsOf(ref)[0])}.`)
  }

  #idsOf(ref: KeyRef): readonly [string, ...string[]] {
    if (typeof ref === 'string' && ref !== '') return this.#store.keys.idsOf(ref, this.#apis[0]?.info.orgId ?? '')
    if (typeof ref === 'object' && ref !== null && typeof ref.id === 'string') return [ref.id]
    throw new GatewayError('PSTN_SESSION_INVALID', `A key is named by ${describe(ref)}; expected the key, or { id }.`)
  }

  /** A session that could never work is refused when it is written, not when it is used. */
  #checked(input: KeyInput): Session {
    const session = parseSession(input, 'PSTN_SESSION_INVALID')
    checkLimited(session, 'The session', 'PSTN_SESSION_INVALID')
    checkThresholds(session)
    this.#checkPolicies(session)
    return session
  }

  #checkPolicies(session: Session): void {
    const known = this.#policies()
    const unknown = policyIds(session).find((id) => !known.has(id))
    if (unknown !== undefined) {
      const names = listing([...known.keys()])
      throw new GatewayError(
        'PSTN_SESSION_INVALID',
        `The session names the policy ${describe(unknown)}, which nobody defined; known: ${names === '' ? 'none' : names}.`,
      )
    }
    const applied = this.#apis.map((api) => underPolicies(session, api))
    const [reason] = applied
    if (!applied.every(isGatewayError) || !isGatewayError(reason)) return
    throw new GatewayError(
      'PSTN_SESSION_INVALID',
      `No API of this gateway can apply the session's policies: ${reason.message}`,
    )
  }

  /** Rights may name APIs of other gateways that share the store, but hardly ones that are almost called like ours. */
  #warnOfMisspelt({ accessRights }: Session): void {
    const known = this.#apis.map(({ info }) => info.id)
    for (const id of Object.keys(accessRights)) {
      const meant = known.includes(id) ? undefined : nearest(id, known)
      if (meant === undefined || Object.hasOwn(accessRights, meant)) continue
      this.#apis[0]?.services.events.warn(
        `rights ${id}`,
        `The accessRights of a session name the API ${describe(id)}, which this gateway does not have; did you mean "${meant}"? (warned once)`,
      )
    }
  }

  #trialEnd(session: Session, now: Date): number {
    const known = this.#policies()
    const trials = policyIds(session).flatMap((id) => known.get(id)?.keyExpiresIn ?? 0)
    const shortest = Math.min(...trials.filter((seconds) => seconds > 0))
    return Number.isFinite(shortest) ? Math.floor(now.getTime() / 1000) + shortest : 0
  }

  #policies(): ReadonlyMap<string, Policy> {
    return new Map(
      this.#apis.flatMap(({ definition, services }) => [
        ...Object.entries(services.policies),
        ...Object.entries(definition.policies),
      ]),
    )
  }
}

function checkThresholds({ monitor }: Session): void {
  const small = monitor?.triggerLimits.find((percent) => percent < 1)
  if (small !== undefined)
    throw new GatewayError(
      'PSTN_SESSION_INVALID',
      `The session's monitor.triggerLimits has ${small}; expected percent, such as 80.`,
    )
}

function existing(id: string): GatewayError {
  return new GatewayError('PSTN_KEY_EXISTS', `The key ${maskKey(id)} exists already; change it with update().`)
}

function infoOf(id: string, session: Session): KeyInfo {
  return { id, masked: maskKey(id), session }
}

function secondsOf(time: Date): string {
  return String(Math.floor(time.getTime() / 1000))
}

/** Fields that `checkLimited` looks at, and those that name policies. */
const LIMITED = ['rate', 'per', 'accessRights']
const POLICIES = ['applyPolicies', 'applyPolicyId', 'metadata']

const MIN_KEY_LENGTH = 4
const MAX_KEY_LENGTH = 4_096

function checkedKey(options: unknown): string | undefined {
  const isObject = typeof options === 'object' && options !== null && !Array.isArray(options)
  const unknown = isObject ? Object.keys(options).find((name) => name !== 'key') : undefined
  if (!isObject || unknown !== undefined) {
    // Not shown when it is text: it may be a key.
    const kind = typeof options === 'object' ? describe(options) : `a ${typeof options}`
    const found = unknown === undefined ? kind : `an object with ${unknown}`
    throw new GatewayError('PSTN_SESSION_INVALID', `The second argument of create() is ${found}; expected { key }.`)
  }
  const { key } = options as { readonly key?: unknown }
  if (key === undefined) return undefined
  const isText = typeof key === 'string'
  if (isText && /^[\u0021-\u007e]+$/.test(key) && key.length >= MIN_KEY_LENGTH && key.length <= MAX_KEY_LENGTH)
    return key
  // Not shown: it may be a credential.
  const found = isText ? `a text of ${key.length} characters` : describe(key)
  throw new GatewayError(
    'PSTN_SESSION_INVALID',
    `options.key is ${found}; expected ${MIN_KEY_LENGTH} to ${MAX_KEY_LENGTH} characters, visible and ASCII.`,
  )
}
