import type { ApiDefinition } from '../api.ts'

/** What of its listen path stands in front of every path that is sent on. */
export function keptListenPath({
  stripListenPath,
  listenPath,
}: Pick<ApiDefinition, 'stripListenPath' | 'listenPath'>): string {
  return stripListenPath || listenPath === '/' ? '' : listenPath
}
