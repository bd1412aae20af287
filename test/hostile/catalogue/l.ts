import { type Group, inProcesses, onHosts } from './entry.ts'

export const process: Group = {
  title: 'The life of the process',
  entries: {
    L01: onHosts(
      'A first `SIGTERM` or `SIGINT` while requests are in flight, some with their head out already, beside idle connections, unused ones, event streams and WebSockets.',
      '`stopOnSignals` takes no more connections, closes idle and unused ones, lets every answer in flight end (with `Connection: close` where its head was not out), keeps event streams and WebSockets until the grace is over, and exits with 0.',
    ),
    L02: onHosts(
      'A second signal, or a grace that is over while answers are still out.',
      'The connections are cut, the number of cut answers is written to standard error, and the process exits with 1 at once.',
    ),
    L03: onHosts(
      '`gateway.close()` in a process that lives on, once and several times at once, after forwarded requests, broken ones and timed-out ones, and during a reload.',
      'Every call resolves when all is done; no connection, timer, server or listener of the gateway is left.',
    ),
    L04: inProcesses(
      'Tens of thousands of mixed requests: keys with limits, bodies of both framings, 5 % clients that hang up, 5 % broken plugins, 5 % broken upstreams.',
      'The heap after garbage collection at the end is within 5 % and 2 MiB of what it was after a tenth; handles and listeners have not grown. `pnpm soak --requests 1000000` runs it longer.',
    ),
    L05: inProcesses(
      'The same traffic, looked at request by request.',
      'Every request gets an answer its kind may get, or its connection is cut; no exception and no rejection goes unheard.',
    ),
    L06: inProcesses(
      'Load from many connections, bodies of 1 MB that a plugin reads as JSON, and 10,000 keys.',
      'The event loop is never held for as long as a second, plugins of the test included.',
    ),
    L07: onHosts(
      'Exceptions wherever code of others is called: plugins, getters and proxies in what they return, thenables, loggers, listeners of events, stores, forwarders, analytics.',
      'That request ends with an error or as if nothing had happened, as the place deserves; the next one is served, and nothing goes unheard.',
    ),
    L08: inProcesses(
      'More connections than the process has file descriptors (256), and more request bodies than fit into its memory (a heap of 64 MiB).',
      'Connections wait or fail, bodies above `maxBufferedBytes` are refused with 413; the process lives, and serves again when there is room.',
    ),
    L09: inProcesses(
      '500 connections that send a byte of their request head now and then, and more connections from one address than are allowed.',
      'Honest requests are served meanwhile; slow heads are cut with 408 when `headersTimeoutMs` is over; connections above `maxConnectionsPerAddress` are closed at once.',
    ),
    L10: inProcesses(
      '`--disable-proto=throw` and `delete`, `--frozen-intrinsics`, `--disallow-code-generation-from-strings`, `--throw-deprecation`, `--unhandled-rejections=strict` and the permission model, as an ES module and as CommonJS.',
      'The packages work, on every host; with frozen intrinsics and without code from strings on `node:http`, because a dependency of Express and Koa does not.',
    ),
    L11: inProcesses(
      'What is installed beside the packages.',
      'Each runtime dependency is on a list with its licence and the reason it is there; none has an install script, and every version in the lockfile has an integrity hash. Advisories are not looked up: that needs a registry.',
    ),
  },
}
