/** What a contestant is given. */
export interface Setting {
  readonly upstream: URL
  /** 0: there is no Redis. */
  readonly redisPort: number
}
