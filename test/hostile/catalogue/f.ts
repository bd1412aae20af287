import { type Group, inProcesses, onHosts } from './entry.ts'

export const limits: Group = {
  title: 'Limits and quotas',
  entries: {
    F01: onHosts(
      'Twice the rate for ten seconds, with 1, 10 and 100 requests in flight, under each algorithm.',
      '`sliding-window` never lets more than the rate pass in any period, `fixed-window` in any whole one, `gcra` never more than the rate times the time and one burst: no excess at all.',
    ),
    F02: inProcesses(
      'The same key at gateways in 2 and 4 processes with one Redis, all under load at once.',
      'Together they are as exact as one: no window holds more than the rate, no quota is exceeded.',
    ),
    F03: onHosts(
      'A steady demand of twice the rate.',
      'At least 98 in 100 of the requests the rate allows pass: nobody is refused while there is room.',
    ),
    F04: onHosts(
      'Bursts a millisecond before and after the edge of a period, under each algorithm.',
      'Across an edge `fixed-window` lets at most twice the rate pass, as documented, `sliding-window` the rate, `gcra` the rate and what has come back since.',
    ),
    F05: onHosts(
      'Quotas of 1, 100, 499 and 500 under 500 requests with 1, 10 and 100 in flight; on Redis quotas of 1, 100, 1,000, 9,999 and 10,000 under 10,000 decisions of 2 processes.',
      'Exactly the quota passes, every time.',
    ),
    F06: onHosts(
      'Requests all through five periods of a quota.',
      'Exactly the quota passes in each; a period begins with the first request counted in it; what is left is told, never below 0 and never above the quota.',
    ),
    F07: onHosts(
      '200 first requests of a key at once, ten times over.',
      'One period begins, and exactly the quota passes; no two are told the same number left.',
    ),
    F08: onHosts(
      'The clock is set back by 5 seconds and by an hour, and jumps beyond 2038; on Redis the clocks of processes are 2 seconds and an hour off.',
      'In memory time only goes forward, on Redis the server’s clock counts: no period is free, and none blocks for ever.',
    ),
    F09: onHosts(
      'A quota meets refusals by rate, by access right and by itself, clients that hang up, upstreams that are away, and plugins that decide.',
      'What is refused before or by a limit counts nowhere; what has passed the limits counts once, whatever becomes of it. Postern itself never sends a request twice.',
    ),
    F10: onHosts(
      'Limits of a key, of its quota, of an API and of an endpoint meet in one request.',
      'The strictest decides, one that is refused counts in none, and the store is asked once.',
    ),
    F11: onHosts(
      'Rates of 0, -1, fractions, 1e9, NaN, texts and nothing, and periods of 0, for APIs and for keys.',
      'A definition has a rate and a period above 0, or is refused; a key’s rate of 0 or below is no limit, a rate without a period is refused when the key is made.',
    ),
    F12: onHosts(
      'Counters of 20,000 callers where there is room for 1,000, and a caller who is refused meanwhile.',
      'No more counters are kept than there is room for; those that end soonest go first, and `evicted` of the store counts them, so that a limit that was forgotten is never a secret. Bytes are not measured here.',
    ),
    F13: onHosts(
      'A new `X-Forwarded-For`, `Forwarded` and `X-Real-IP` with every request, IPv4 addresses written as IPv6.',
      'There are no limits by address: keys, and APIs for all callers, are what is counted. A plugin that counts by `clientAddress` gets the peer’s own, in one spelling, unless a trusted proxy says otherwise.',
    ),
    F14: onHosts(
      'The limit fields of answers that pass and of refusals.',
      'Integers; what is left only goes down within a period; a second before `Retry-After` is over the same request is refused, at its end it passes.',
    ),
    F15: inProcesses(
      'One of three processes is killed while all use up one quota on Redis.',
      'The others stay exact; what the dead one had under way counts as used, and every counter it left has an end.',
    ),
  },
}
