/** What a contestant is given. */
export interface Setting {
  readonly upstream: URL
  /** 0: there is no Redis. */
  readonly redisPort: number
  /** What names on Redis start with; those with the same share keys and limits. */
  readonly prefix: string
}
