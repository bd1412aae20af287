import type { ApiInfo, PolicyInput } from '@postern/core'
import type { Lint, Linted, Remark } from './lint.ts'

/** A quota that is used up once and for all. */
export const quotaWithoutRenewal: Lint = {
  id: 'quota-without-renewal',
  severity: 'warning',
  run: ({ apis, options }: Linted) => [
    ...apis.flatMap((api) => ofPolicies(api, 'policies', api.definition.policies)),
    ...ofPolicies(undefined, 'options.policies', options.policies ?? {}),
  ],
}

interface Quota {
  readonly quotaMax?: number | undefined
  readonly quotaRenewalRate?: number | undefined
}

function ofPolicies(
  api: ApiInfo | undefined,
  where: string,
  policies: Readonly<Record<string, PolicyInput>>,
): Remark[] {
  return Object.entries(policies).flatMap(([id, policy]) => {
    const path = `${where}[${JSON.stringify(id)}]`
    const rights = Object.entries(policy.accessRights ?? {}).map(
      ([apiId, { limit }]) => [`${path}.accessRights[${JSON.stringify(apiId)}].limit`, limit] as const,
    )
    return [[path, policy] as const, ...rights]
      .filter(([, quota]) => quota !== undefined && isEndless(quota))
      .map(([at]) => ({ api, path: `${at}.quotaMax`, message: MESSAGE }))
  })
}

function isEndless({ quotaMax = 0, quotaRenewalRate = 0 }: Quota): boolean {
  return quotaMax > 0 && quotaRenewalRate <= 0
}

const MESSAGE = 'never renews: a key that has used it up is refused for ever; add quotaRenewalRate, in seconds'
