export type { RedisStoreOptions, TykSettings } from './options.ts'
export type { RedisClient } from './redis-client.ts'
export { redisStore } from './redis-store.ts'
export type { KeyHash } from './tyk-keys.ts'
