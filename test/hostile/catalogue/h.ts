import { type Group, onHosts } from './entry.ts'

export const upstreams: Group = {
  title: 'Upstreams that fail or misbehave',
  facesUpstreams: true,
  entries: {
    H01: onHosts(
      'The upstream refuses the connection, has no route to it, has a name that does not exist, a name server that never answers, a name that leads elsewhere from one connection to the next, or a handshake that never ends.',
      '502, and 504 within `connectTimeoutMs` where nobody answers; the client reads neither name nor address, and every new connection resolves the name anew.',
    ),
    H02: onHosts(
      'The upstream takes the connection and never answers, sends its head one byte at a time, or stalls in the middle of its body.',
      '504 when `headersTimeoutMs` is over, however slowly the head goes on; a body that pauses for `bodyTimeoutMs` cuts the connection of the client, so that half an answer never looks whole.',
    ),
    H03: onHosts(
      'The upstream resets the connection before, during and after the head of its answer, or closes its half of the connection behind a complete answer.',
      '502 before the head is complete, a cut connection after it; a complete answer passes.',
    ),
    H04: onHosts(
      'The upstream closes, or resets, a kept connection in the moment the next request is written on it.',
      'A request with an idempotent method and without a body is sent again once, on a new connection; any other is 502, and the upstream never gets it twice.',
    ),
    H05: onHosts(
      'The certificate of the upstream has expired, is for another name, or is signed by nobody known; the upstream speaks TLS 1.0 only, plain HTTP, or HTTP/2 only, or asks for a certificate of the client.',
      '502 before anything of the request has left, or after it was refused; the reason is in the event and not in the answer; `verifyTls: false` is warned about once, when the gateway is made.',
    ),
    H06: onHosts(
      'The upstream sends one or several interim answers 100, 102, 103 before its answer, ten thousand of them, or a 101 nobody asked for.',
      'Interim answers are dropped and the answer passes; more than 100 of them, and an unasked 101, are 502 and the connection to the upstream is gone, without a tunnel.',
    ),
    H07: onHosts(
      'The upstream answers with garbage, HTTP/0.9, an HTTP/2 preface, status 99, 600 or 1000, a status line of 1 MiB, a field of 70 KB, or 5,000 fields.',
      '502, and the next request is served.',
    ),
    H08: onHosts(
      'The upstream sends bytes behind its complete answer, or a second answer before the next request: in the same packet, later, behind chunks, and behind answers that have no body.',
      'The client gets the first answer, the connection to the upstream is dropped, and the next client gets its own answer.',
    ),
    H09: onHosts(
      'The upstream sends less or more than its `Content-Length` says, chunks that are broken or do not end, both framings, or two lengths.',
      'Both framings and two lengths are 502; a body that is too short or broken cuts the connection of the client and never ends cleanly; what is too much is not passed on.',
    ),
    H10: onHosts(
      'All connections an API may use are busy.',
      'Requests wait in turn, `maxQueued` of them for `queueTimeoutMs`; then, and above, 503 with `Retry-After`; a client that hangs up leaves its place, and another API of the same upstream is not held up.',
    ),
    H11: onHosts(
      'A plugin routes a request to `file:`, `ftp:`, a Unix socket, a URL with credentials, port 0, a link-local address in any spelling or behind a name, or to the gateway itself.',
      'What is no `http:` or `https:` URL fails the plugin, 500; link-local addresses are 502 and no connection is made; a request that comes back ten times is 508, whatever its `Connection` nominates.',
    ),
    H12: onHosts(
      'Half of the answers of a target are 5xx, resets or timeouts, and the circuit breaker is on.',
      'The circuit opens and the target is left alone: 503 with `Retry-After` where there is no other; then one probe at a time is let through, another one where it takes longer than `openMs`, which closes it or opens it again; every target has its own state, and every change is an event.',
    ),
  },
}
