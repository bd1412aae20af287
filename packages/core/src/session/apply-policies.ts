import { GatewayError } from '../errors.ts'
import { rightFor } from './access.ts'
import type { AccessLimit, AccessRight, EndpointLimit } from './access-right.ts'
import { freezeData } from './data.ts'
import {
  apartFrom,
  type Aspects,
  completedBy,
  isMoreGenerous,
  type Limits,
  limitsIn,
  mergeEndpoints,
  moreGenerous,
  NO_LIMITS,
  saysNothing,
} from './merge-limits.ts'
import { mergeRights } from './merge-rights.ts'
import { type Policy, POLICY } from './policy.ts'
import type { Session, SessionMetadata } from './session.ts'
import { ShapeError } from './shape-error.ts'

/**
 * The session in effect: what is stored, under its policies; frozen, never to be stored itself, and the very same object
 * where no policy is named. The policies are those written out in `metadata.policies` (documents), else those that
 * `applyPolicies`, else `applyPolicyId`, name. One unknown among several is skipped and reported to `onUnknown`.
 *
 * Limits: the most generous wins, aspect by aspect. Access: what any policy allows, and nothing of the key's own. Throws
 * `PSTN_POLICY_INVALID` for a policy that is unknown, broken or of another organisation, for policies that do not go
 * together, and for policies that give access to nothing.
 */
export function applyPolicies(
  session: Session,
  find: (id: string) => Policy | undefined,
  orgId: string,
  onUnknown?: (id: string) => void,
): Session {
  const policies = writtenOut(session.metadata) ?? named(session, find, onUnknown)
  if (policies.length === 0) return session
  refuseMistakes(policies, orgId)
  const root = rootLimits(session, policies)
  const accessRights = rightsUnder(session, policies, root)
  if (Object.keys(accessRights).length === 0)
    throw invalid(`None of the policies ${quoted(policies.map(({ id }) => id))} gives access to an API.`)
  return freezeData({
    ...session,
    ...root,
    quotaRemaining: policies.some((policy) => owns(policy).quota) ? 0 : session.quotaRemaining,
    accessRights,
    isInactive: session.isInactive || policies.some((policy) => policy.isInactive),
    tags: [...new Set([...session.tags, ...policies.flatMap((policy) => policy.tags)])],
    metadata: metadataUnder(session.metadata, policies),
    lastUpdated: policies.reduce(
      (latest, { lastUpdated }) => (lastUpdated > latest ? lastUpdated : latest),
      session.lastUpdated,
    ),
    postExpiryAction: lastOf(policies, ({ postExpiryAction }) => postExpiryAction) ?? session.postExpiryAction,
    postExpiryGracePeriod:
      lastOf(policies, ({ postExpiryGracePeriod }) => postExpiryGracePeriod) ?? session.postExpiryGracePeriod,
    hmacEnabled: session.hmacEnabled || policies.some((policy) => policy.hmacEnabled),
    enableHttpSignatureValidation:
      session.enableHttpSignatureValidation || policies.some((policy) => policy.enableHttpSignatureValidation),
  })
}

/** Whether anything has to be applied. */
export function hasPolicies(session: Session): boolean {
  return policyIds(session).length > 0 || arePolicies(session.metadata['policies'])
}

/** Whole policies, as the real gateway takes them from metadata; a list of nothing but names is somebody else's field. */
export function arePolicies(value: unknown): boolean {
  return Array.isArray(value) && value.some((one) => typeof one === 'object')
}

function named(
  session: Session,
  find: (id: string) => Policy | undefined,
  onUnknown: ((id: string) => void) | undefined,
): readonly Policy[] {
  const ids = policyIds(session)
  const found = ids.map((id) => find(id))
  const policies = found.filter((policy) => policy !== undefined)
  const unknown = ids.filter((_, i) => found[i] === undefined)
  if (ids.length > 0 && policies.length === 0)
    throw invalid(`The session names policies that do not exist: ${quoted(unknown)}.`)
  if (onUnknown !== undefined) for (const id of unknown) onUnknown(id)
  return policies
}

/** The policies a session names, each once. */
export function policyIds({ applyPolicies: ids, applyPolicyId }: Session): readonly string[] {
  if (ids.length > 0) return [...new Set(ids)]
  return applyPolicyId === '' ? [] : [applyPolicyId]
}

/** Undefined where nothing is written out: an empty list must not free a key from the policies it names. */
function writtenOut({ policies }: Readonly<SessionMetadata>): readonly Policy[] | undefined {
  return arePolicies(policies) ? (policies as readonly unknown[]).map(readPolicy) : undefined
}

function readPolicy(document: unknown, i: number): Policy {
  const where = `metadata.policies[${i}]`
  try {
    const policy = POLICY.fromJson(document, where)
    return policy.id === '' ? { ...policy, id: where } : policy
  } catch (error) {
    if (!(error instanceof ShapeError)) throw error
    throw invalid(error.of('The session'))
  }
}

function refuseMistakes(policies: readonly Policy[], orgId: string): void {
  for (const policy of policies) {
    const { id, partitions } = policy
    if (policy.orgId !== '' && policy.orgId !== orgId)
      throw invalid(`The policy "${id}" belongs to the organisation "${policy.orgId}"; expected "${orgId}".`)
    if (partitions.perApi && isPartitioned(policy))
      throw invalid(`The policy "${id}" has perApi together with other partitions; expected perApi alone.`)
  }
  const alone = policies.find(({ partitions }) => partitions.perApi)
  const partitioned = policies.find(isPartitioned)
  if (alone !== undefined && partitioned !== undefined)
    throw invalid(
      `The policy "${alone.id}" has perApi and the policy "${partitioned.id}" has other partitions; expected only one kind.`,
    )
}

function isPartitioned({ partitions }: Policy): boolean {
  return partitions.quota || partitions.rateLimit || partitions.complexity || partitions.acl
}

interface Owned extends Aspects {
  readonly access: boolean
}

/** What a policy decides. What it does not is left to other policies, then to the key. */
function owns(policy: Policy): Owned {
  const { rateLimit, quota, complexity, acl } = policy.partitions
  return isPartitioned(policy) ? { rate: rateLimit, quota, complexity, access: acl } : EVERYTHING
}

const EVERYTHING: Owned = { rate: true, quota: true, complexity: true, access: true }

/** The limits over all APIs: the most generous of the policies, and the key's own for what none of them says. */
function rootLimits(session: Session, policies: readonly Policy[]): Limits {
  const said = policies.reduce(
    (root, policy) => (policy.partitions.perApi ? root : moreGenerous(root, limitsIn(policy, owns(policy)))),
    NO_LIMITS,
  )
  return completedBy(said, session)
}

/** What the policies so far say about one API. */
interface ApiGrant {
  /** Undefined as long as no policy gives access. */
  readonly right: AccessRight | undefined
  /** The last policy that gave access. */
  readonly by: string
  readonly limits: Limits
  /** What `perApi` policies say for all their APIs: for what none of them says about this one. */
  readonly otherwise: Limits
  readonly endpoints: readonly EndpointLimit[]
  readonly scope: string
}

const NOTHING: ApiGrant = {
  right: undefined,
  by: '',
  limits: NO_LIMITS,
  otherwise: NO_LIMITS,
  endpoints: [],
  scope: '',
}

function rightsUnder(
  session: Session,
  policies: readonly Policy[],
  root: Limits,
): Readonly<Record<string, AccessRight>> {
  const grants = new Map<string, ApiGrant>()
  for (const policy of policies) {
    for (const [apiId, right] of Object.entries(policy.accessRights)) {
      const given = policy.partitions.perApi ? grantedAlone(policy, apiId, right) : granted(policy, right)
      grants.set(apiId, together(grants.get(apiId) ?? NOTHING, given))
    }
  }
  const accessible = [...grants].flatMap(([apiId, { right, ...grant }]) =>
    right === undefined ? [] : [{ apiId, right, grant }],
  )
  const several = new Set(accessible.map(({ grant }) => grant.by)).size > 1
  return Object.fromEntries(
    accessible.map(({ apiId, right, grant }) => {
      const scope = grant.scope === '' && several ? grant.by : grant.scope
      const known = rightFor(session, apiId)
      return [
        apiId,
        {
          ...right,
          limit: limitIn(scope, completedBy(grant.limits, grant.otherwise), root, known?.limit),
          allowanceScope: scope,
          endpoints: grant.endpoints,
          disableIntrospection: right.disableIntrospection || known?.disableIntrospection === true,
        },
      ]
    }),
  )
}

/** Without a scope, limits like those over all APIs are left to these, so that the APIs of one policy share its counters. */
function limitIn(scope: string, limits: Limits, root: Limits, known: AccessLimit | undefined): AccessLimit | undefined {
  const kept = scope === '' ? apartFrom(root, limits) : limits
  if (saysNothing(kept)) return undefined
  return { ...kept, quotaRenews: known?.quotaRenews ?? 0, quotaRemaining: known?.quotaRemaining ?? 0 }
}

/** What a policy says about one of its APIs: its limits are those of the policy, whatever the access right says. */
function granted(policy: Policy, right: AccessRight): ApiGrant {
  const owned = owns(policy)
  return {
    right: owned.access ? right : undefined,
    by: owned.access ? policy.id : '',
    limits: limitsIn(policy, owned),
    otherwise: NO_LIMITS,
    endpoints: owned.rate ? right.endpoints : [],
    scope: '',
  }
}

/** With `perApi`: the limits of the access right, counted for this API alone, or else the policy's, shared by its APIs. */
function grantedAlone(policy: Policy, apiId: string, right: AccessRight): ApiGrant {
  const own = right.limit
  const isCounted = own !== undefined && (own.rate !== 0 || own.quotaMax !== 0)
  return {
    right,
    by: policy.id,
    limits: isCounted ? own : completedBy(own ?? NO_LIMITS, policy),
    otherwise: policy,
    endpoints: right.endpoints,
    scope: isCounted ? apiId : policy.id,
  }
}

function together(known: ApiGrant, given: ApiGrant): ApiGrant {
  const prevails = isMoreGenerous(given.limits, known.limits) && !isMoreGenerous(known.limits, given.limits)
  const [first, second] = prevails ? [given.scope, known.scope] : [known.scope, given.scope]
  return {
    right:
      known.right === undefined || given.right === undefined
        ? (known.right ?? given.right)
        : mergeRights(known.right, given.right),
    by: given.by === '' ? known.by : given.by,
    limits: moreGenerous(known.limits, given.limits),
    otherwise: moreGenerous(known.otherwise, given.otherwise),
    endpoints: mergeEndpoints(known.endpoints, given.endpoints),
    scope: first === '' ? second : first,
  }
}

/** Policies may say everything about a caller but who it is. */
function metadataUnder(own: Readonly<SessionMetadata>, policies: readonly Policy[]): Readonly<SessionMetadata> {
  const { token: _, ...said } = Object.assign({}, ...policies.map((policy) => policy.metadata)) as SessionMetadata
  return { ...own, ...said }
}

/** What the last policy that says anything says. */
function lastOf<T extends string | number>(policies: readonly Policy[], read: (policy: Policy) => T): T | undefined {
  const policy = policies.findLast((one) => read(one) !== '' && read(one) !== 0)
  return policy === undefined ? undefined : read(policy)
}

function quoted(ids: readonly string[]): string {
  return ids.map((id) => `"${id}"`).join(', ')
}

function invalid(message: string): GatewayError {
  return new GatewayError('PSTN_POLICY_INVALID', message)
}
