import { type Group, inProcesses, onHosts } from './entry.ts'

export const storeFaults: Group = {
  title: 'Store faults',
  entries: {
    G01: inProcesses(
      'Redis is not there when the gateway starts.',
      'The gateway starts and answers by its policies until Redis comes; with `required` `ready()` rejects after 2 seconds and names host and port.',
    ),
    G02: inProcesses(
      'Connections are refused, reset and ended in the middle of a steady load, under both policies.',
      'Sessions and quotas are refused (503), rates pass, or the other way round as `onStoreError` says; every request is answered, and nothing is counted twice.',
    ),
    G03: inProcesses(
      'A server that accepts and stays silent, answers 5, 50 and 500 milliseconds late, one byte at a time, and at a kilobyte a second.',
      'No request waits longer than the deadline of a command (`commandTimeoutMs`); after five failures in a row requests stop waiting, and one call at a time finds out when the server is back.',
    ),
    G04: inProcesses(
      'Redis comes back after 1 and after 3 seconds.',
      'All is as before within 2 seconds; meanwhile a process connects at most once in 200 milliseconds.',
    ),
    G05: inProcesses(
      'The server answers READONLY, MOVED, ASK, CLUSTERDOWN, LOADING, MASTERDOWN and TRYAGAIN.',
      'The policies answer; nothing crashes, and the first answer of another kind is taken. All names of one subject share a slot, so that scripts work on a Cluster.',
    ),
    G06: inProcesses(
      'SCRIPT FLUSH again and again under load, and a server that was restarted without its scripts.',
      'The script is sent once more with the same call: no request fails.',
    ),
    G07: inProcesses(
      'The server answers OOM, MISCONF, NOAUTH, WRONGPASS, NOPERM and BUSY.',
      'The policies answer; the reason is told at most once a second, and never with a password or a key in it.',
    ),
    G08: inProcesses(
      'Somebody keeps a list under the name of a session, and a text under that of a counter.',
      'That key alone is refused, with 403 for the session and by policy for the counter; everybody else is served.',
    ),
    G09: inProcesses(
      'FLUSHALL while requests are served.',
      'Keys are gone with their sessions (403), counters begin anew; keys made afterwards work.',
    ),
    G10: inProcesses(
      'The connection is cut after every single packet of a request’s way through the store.',
      'What a request counts is one script: no counter is left without an end, no lock is left at all, and at least as many are counted as were let in.',
    ),
    G11: inProcesses(
      'The connection that hears of changed sessions is lost, while that of commands lives, and a key is revoked elsewhere.',
      'It is refused once `cacheMs` have passed, as everywhere.',
    ),
    G12: inProcesses(
      'A connection is cut 200 times, with requests under way.',
      'As many sockets, timers and listeners as before; the gateway goes on.',
    ),
    G13: onHosts(
      'An analytics plugin that never ends, one that takes its time, and one that throws, under 300 requests.',
      'Clients are answered as if it were not there; the records kept are the last ones, up to `recordCapacity`, and what a broken plugin lost is counted in `records.dropped`.',
    ),
  },
}
