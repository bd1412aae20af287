import { type Group, onHosts } from './entry.ts'

export const MALFORMED_HTTP: Group = {
  title: 'Malformed and hostile HTTP/1.1',
  entries: {
    A01: onHosts(
      '`Content-Length` and `Transfer-Encoding` together, in either order, with a request hidden in what one of them leaves over',
      'Refused with 400; the hidden request never reaches a handler.',
    ),
    A02: onHosts(
      'Two `Content-Length` fields, equal or not, and lists such as `7, 7`',
      'Refused with 400, equal ones as well.',
    ),
    A03: onHosts(
      'A `Content-Length` that is no plain number: signs, hexadecimal, fractions, nothing, numbers above 2^63',
      'Refused with 400.',
    ),
    A04: onHosts(
      'A `Transfer-Encoding` that is not exactly `chunked`: other codings, lists, parameters, quotes, nothing, two lines',
      'Refused with 400, or 501 for one coding postern does not know.',
    ),
    A05: onHosts(
      '`Transfer-Encoding` in other cases, or with a tab before its value',
      'Accepted; the upstream gets the exact body in framing of its own.',
    ),
    A06: onHosts(
      '`Transfer-Encoding` in HTTP/1.0 with keep-alive, and a second request behind it',
      'Refused with 400; the second request never reaches a handler.',
    ),
    A07: onHosts(
      'Chunk sizes with prefixes, spaces, underscores, overflow, or nothing',
      'Refused with 400, and the upstream never gets a complete request.',
    ),
    A08: onHosts(
      'Chunks longer or shorter than their size says, and any two bytes in place of the line end behind a chunk',
      'Refused with 400, and the upstream never gets a complete request.',
    ),
    A09: onHosts(
      'Chunk extensions: valid ones; with NUL, CR or a bare LF; of 16 KiB and 1 MiB',
      'Valid ones are ignored, the others refused with 400, or 413 by size; none reaches the upstream.',
    ),
    A10: onHosts(
      'Trailer fields: harmless ones, and ones that name framing, `Host`, credentials, the client or `__proto__`',
      'The request passes; no trailer is a header to a plugin, to authentication or to the upstream.',
    ),
    A11: onHosts('Folded header lines: an ordinary field, `Transfer-Encoding`, `Authorization`', 'Refused with 400.'),
    A12: onHosts(
      'White space before a colon or before the first field, a line without a colon, an empty name',
      'Refused with 400.',
    ),
    A13: onHosts('Bare LF as a line end, CR or NUL in a value, CR CR LF', 'Refused with 400.'),
    A14: onHosts(
      'Field names with `(`, a space, a high byte, or an underscore',
      'The first three are refused with 400; names with an underscore are dropped unless `underscoreHeaders` is `keep`.',
    ),
    A15: onHosts(
      'Header blocks of 15 KiB, 17 KiB and 1 MiB, and one field of 70 KiB',
      '15 KiB pass; above `maxHeaderBytes`, 16 KiB by default, 431.',
    ),
    A16: onHosts(
      '1,999, 2,001 and 5,000 small fields',
      'All arrive, or 431 by their size; never only the first ones. A server of Node that drops fields makes it 431 as well.',
    ),
    A17: onHosts(
      'No `Host`, two of them, equal ones, and values that are no host: spaces, commas, user names, paths, broken addresses and ports',
      'Refused with 400.',
    ),
    A18: onHosts(
      'Absolute-form targets: the own host, a foreign one, odd case, no path, user names, a broken address',
      'Matched by their path only and forwarded in origin-form; the host they name is never contacted. Broken ones are refused with 400.',
    ),
    A19: onHosts(
      '`CONNECT` with a host or a path, also behind a request without its whole answer; a target that is only a host, `GET *`, `OPTIONS *`',
      '`CONNECT` gets 405 or 400, behind such a request nothing; `OPTIONS *` gets 404, the others 400; the connection is closed.',
    ),
    A20: onHosts(
      'Versions that are not 1.0 or 1.1, none at all, the preface of HTTP/2, a TLS hello, noise',
      '400, 505 or a closed connection; nothing reaches the upstream.',
    ),
    A21: onHosts(
      'Methods that are no token, of 64 KiB, unknown or in lower case',
      "Refused with 400 or 431: Node's parser knows no methods beyond the registered ones.",
    ),
    A22: onHosts(
      'Targets with a space, NUL, DEL, a high byte, a fragment, a backslash or a broken escape',
      'Refused with 400.',
    ),
    A23: onHosts('Targets of 8,000 bytes and of 100 kB', 'The first passes, the second gets 431.'),
    A24: onHosts(
      '`Expect: 100-continue` from clients that wait and that do not, in HTTP/1.0, refused by the chain or by the upstream; other expectations',
      'One 100, when somebody wants the body; a refused upload gets its answer without one; other expectations get 417. Nothing falls out of step.',
    ),
    A25: onHosts(
      'GET, HEAD, DELETE and OPTIONS with a body that spells a request, with a length and chunked',
      'The body belongs to its request: the upstream gets it once, whole, and sees no second request.',
    ),
    A26: onHosts(
      'A hundred pipelined requests; a GET behind a POST; garbage behind a request; data behind `Connection: close`',
      'Answers in order; what was whole is answered before the connection ends; nothing behind a close runs.',
    ),
    A27: onHosts(
      'HTTP/1.0 with and without keep-alive, and an answer of unknown length for it',
      'Closed when it is due; the answer is not chunked.',
    ),
    A28: onHosts(
      'A head and a chunked body cut into two pieces at every byte',
      'The same answer, and the same request at the upstream, as in one piece.',
    ),
    A29: onHosts(
      '`__proto__`, `constructor` and `toString` as names of headers, query parameters, cookies, path parameters, form fields and JSON keys',
      'Plugins see them as data; nothing throws and no prototype changes.',
    ),
    A30: onHosts(
      'A credential twice: two lines of a header, or one in the header and one in the query',
      'Different ones are refused with 400; an `auth` plugin sees every line the upstream sees.',
    ),
  },
}
