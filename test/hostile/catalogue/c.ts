import { type Group, onHosts } from './entry.ts'

export const BODIES_AND_STREAMS: Group = {
  title: 'Bodies and streams',
  facesUpstreams: true,
  entries: {
    C01: onHosts(
      'Bodies one byte below, at and above `maxBodyBytes`, with a length and chunked, with and without a plugin that reads them',
      'Up to the limit they pass; above it 413, `Connection: close`, and no complete request at the upstream.',
    ),
    C02: onHosts(
      'A body that stops, or drips byte by byte',
      '408 after `bodyTimeoutMs` without a byte, or when the whole request takes longer than `requestTimeoutMs` of `createServer`; the connection is closed.',
    ),
    C03: onHosts(
      'A client that resets its connection after 10, 50 and 90 % of an upload of 10 MB',
      'The upstream connection is cut and never carries a complete request; the record says 499, and nothing of the request stays behind.',
    ),
    C04: onHosts(
      'An upstream that ends, resets or breaks its chunks before its head, and after none, one and many bytes of its body',
      'Before the head 502; behind it the connection to the client is cut, and half an answer never looks whole.',
    ),
    C05: onHosts(
      'An upstream that answers 401 or 413 while an upload still runs, and closes or not',
      'The client gets that answer; of the rest of the upload at most 1 MiB is taken, for 2 seconds; the upstream connection is not used again.',
    ),
    C06: onHosts(
      'Large bodies down, up, and both at once, with a client that reads slower than the upstream sends',
      'Every byte arrives; what is under way never exceeds a few buffers.',
    ),
    C07: onHosts(
      'A client that reads nothing of a large answer for a while',
      'Reading from the upstream pauses; nothing is lost when the client reads on. Beyond `sendTimeoutMs` the connection is cut.',
    ),
    C08: onHosts(
      'Server-sent events, plain and gzipped, past a plugin that sets a response header',
      'Every event reaches the client before the upstream sends the next; pauses below the idle timeouts cut nothing.',
    ),
    C09: onHosts(
      'A body parser above the gateway has read the body: JSON, raw, form, multipart, or there is none',
      'The kept raw bytes are forwarded exactly; JSON and flat forms are written out again with a warning; what cannot be is answered with 500 and `PSTN_BODY_CONSUMED`, whose message names the fix.',
    ),
    C10: onHosts('A body parser above the gateway has failed, or was cut off', 'Nothing is forwarded.'),
    C11: onHosts(
      'A thousand requests with bodies nobody reads, refused at authentication',
      'Every one is answered on its kept connection; no socket, request or body stays behind.',
    ),
    C12: onHosts(
      'Upstreams that send bodies with HEAD, 204 and 304, past a plugin that changes bodies',
      'The client gets no body, and the next exchange is in step.',
    ),
    C13: onHosts(
      'Upstreams of HTTP/1.0 without a length, of a few bytes a second, and with 100, 102 and 103 before their answer',
      'The whole body arrives; interim answers are never taken for the answer.',
    ),
    C14: onHosts(
      'Range requests, 206 with one and several parts, `If-None-Match` and 304',
      'Untouched from end to end.',
    ),
    C15: onHosts(
      'The upstream closes its connection behind an answer (of known length, in chunks, or up to its end) that a slow client has not read.',
      'The client gets all of it; nothing is thrown where nobody can catch it.',
    ),
  },
}
