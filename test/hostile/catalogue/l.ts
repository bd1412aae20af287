import { type Group, inProcesses, onHosts } from './entry.ts'

export const process: Group = {
  title: 'The life of the process',
  entries: {
    L01: onHosts(
      'A first `SIGTERM` or `SIGINT` while requests are in flight, some with their head out already, beside idle connections, unused ones and event streams.',
      '`stopOnSignals` takes no more connections, closes idle and unused ones, lets every answer in flight end (with `Connection: close` where its head was not out), keeps event streams until the grace is over, and exits with 0.',
    ),
    L02: onHosts(
      'A second signal, or a grace that is over while answers are still out.',
      'The connections are cut, the number of cut answers is written to standard error, and the process exits with 1 at once.',
    ),
  },
}
