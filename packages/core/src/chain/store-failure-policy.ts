/** What needs the store. */
export type StoreFeature = 'sessions' | 'quota' | 'rateLimit'

/** What becomes of a request when the store cannot answer, by what was asked of it. */
export type StoreFailurePolicy = { readonly [F in StoreFeature]: 'refuse' | 'pass' }

/** Sessions and quotas are promises about somebody's rights and money; a rate limit only evens the load out. */
export const STORE_FAILURE_DEFAULTS: StoreFailurePolicy = { sessions: 'refuse', quota: 'refuse', rateLimit: 'pass' }
