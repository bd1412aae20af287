import { GatewayError, type Session, type SessionPage } from '@postern/core/store'
import type { Connection } from './connection.ts'
import type { Layout } from './layout.ts'
import { addressOf, mastersOf, type SingleClient } from './redis-client.ts'
import { decoded } from './sessions.ts'

/** How many names the server looks at each time it is asked. */
const SCANNED = '500'
/** How often it is asked for one page: counters lie among the sessions, and a page may come out short. */
const SCANS = 50
/** How many sessions are read in one go. */
const AT_ONCE = 100

/** A place in a walk over all servers: which one, and Redis' own cursor there. `0` starts at that server. */
interface Place {
  readonly address: string
  readonly cursor: string
}

/** Walks over all sessions of all servers, in no order. A session may come twice while others are added. */
export function sessionPages(
  connection: Connection,
  layout: Layout,
  onError: (error: GatewayError) => void,
): (cursor: string | undefined, limit: number) => Promise<SessionPage> {
  async function scan(
    place: Place,
    servers: readonly SingleClient[],
  ): Promise<{ names: string[]; next: Place | undefined }> {
    const server = servers.find((one) => addressOf(one) === place.address)!
    const args = [place.cursor, 'match', layout.allSessions, 'count', SCANNED]
    const [cursor, names] = (await connection.command('list sessions', 'scan', args, server)) as [string, string[]]
    if (cursor !== '0') return { names, next: { address: place.address, cursor } }
    const following = servers[servers.indexOf(server) + 1]
    return { names, next: following === undefined ? undefined : { address: addressOf(following), cursor: '0' } }
  }

  async function read(id: string): Promise<{ readonly id: string; readonly session: Session } | undefined> {
    try {
      const text = await connection.command('load a session', 'get', [layout.session(id)])
      return typeof text === 'string' ? { id, session: decoded(text) } : undefined
    } catch (error) {
      if (!(error instanceof GatewayError) || error.code !== 'PSTN_SESSION_CORRUPT') throw error
      // One that cannot be read must not keep the others from being listed.
      onError(error)
      return undefined
    }
  }

  return async (cursor, limit) => {
    const servers = mastersOf(connection.client).toSorted((a, b) => (addressOf(a) < addressOf(b) ? -1 : 1))
    let place = cursor === undefined ? startOf(servers[0]) : placeOf(cursor, servers)
    const names = new Set<string>()
    for (let i = 0; i < SCANS && place !== undefined && names.size < Math.max(1, limit); i++) {
      const found = await scan(place, servers)
      for (const name of found.names) names.add(name)
      place = found.next
    }
    const ids = [...names].map((name) => layout.idOf(name)).filter((id) => id !== undefined)
    const sessions = []
    for (let i = 0; i < ids.length; i += AT_ONCE)
      sessions.push(...(await Promise.all(ids.slice(i, i + AT_ONCE).map(read))))
    return {
      sessions: sessions.filter((session) => session !== undefined),
      cursor: place === undefined ? undefined : `${place.cursor}@${place.address}`,
    }
  }
}

function startOf(server: SingleClient | undefined): Place | undefined {
  return server === undefined ? undefined : { address: addressOf(server), cursor: '0' }
}

function placeOf(text: string, servers: readonly SingleClient[]): Place | undefined {
  const [, cursor = '', address = ''] = /^(\d+)@(.+)$/.exec(text) ?? []
  if (cursor === '')
    throw new GatewayError(
      'PSTN_VALUE_INVALID',
      `The cursor ${JSON.stringify(text)} is none; expected one of the page before.`,
    )
  if (servers.some((one) => addressOf(one) === address)) return { address, cursor }
  // That server is gone; what it held is with others, of which those that were done are not asked again.
  return startOf(servers.find((one) => addressOf(one) > address))
}
