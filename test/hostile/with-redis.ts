import { findServer, startRedis, type RedisServer } from '../support/redis-server.ts'
import { closeLater } from '../support/cleanup.ts'

/** Then attacks that need a server are skipped, as all tests of Redis are: `scripts/get-redis` fetches one. */
export const noRedis = (await findServer()) === undefined

/** A server of its own, closed by `closeAll`. */
export async function redisOfTest(settings?: Parameters<typeof startRedis>[0]): Promise<RedisServer> {
  const server = await startRedis(settings)
  closeLater(() => server.stop())
  return server
}
