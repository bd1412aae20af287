export type { RedisStoreOptions, RedisStoreSettings, TykSettings } from './options.ts'
export type { RedisClient } from './redis-client.ts'
export { redisStore } from './redis-store.ts'
export type { KeyHash } from './tyk-keys.ts'
