import { type Group, onHosts } from './entry.ts'

export const upgrades: Group = {
  title: 'Upgrades and WebSockets',
  entries: {
    M01: onHosts(
      'WebSocket handshakes with a key, with none, beyond the rate of the key, through plugins of every hook.',
      'An upgrade is a request: the same authentication, limits, endpoints, plugins and records as a GET, with its own 101 to the client and one record when the connection ends.',
    ),
    M02: onHosts(
      'Handshakes without a key, with a revoked one, for a blocked path, an API nobody has; as POST, with HTTP/1.0, to `irc`, `h2c`, TLS or several protocols, with another version than 13, without `Sec-WebSocket-Key`, with two, with one that is no 16 bytes, with a body; `Upgrade` without `Connection`.',
      'An ordinary HTTP answer (401, 403, 404, 400 or 426) with the envelope of a GET, after which the connection is closed; the upstream sees nothing. `Upgrade` without `Connection`, and an offer of `h2c` or TLS without a body, are ordinary requests.',
    ),
    M03: onHosts(
      'The upstream answers a handshake with 403, 426, 200, 404 in chunks, 204, a reset, silence, a 101 with a wrong, a missing or two `Sec-WebSocket-Accept`, to another protocol or without `Connection`, a broken head, a body that breaks off; the client sends on as if it had a tunnel.',
      'The answer is passed on with its body, or 502 or 504 takes its place, and the connection is closed. There is no tunnel: nothing the client sends later reaches the upstream.',
    ),
    M04: onHosts(
      'The first frame in the same packet as the handshake, or before its answer; frames of the upstream in the same packet as its 101.',
      'Everything is delivered, in order, once both sides have switched protocols.',
    ),
    M05: onHosts(
      '64 MB each way; a reader that does not read, on either side; an end of one direction, from either side; a reset, from either side.',
      'Every byte arrives; a sender is held back long before 48 MB are under way; the end of one direction is passed on while the other goes on; a reset ends the other side at once.',
    ),
    M06: onHosts(
      'Frames of every size and kind, whole, in fragments and in single bytes, and every way to break the protocol (a table of some 50 cases in place of the Autobahn suite, which cannot be installed here), to a WebSocket server directly and through postern.',
      'No difference: the same bytes come back, the server sees the same messages and the same close code.',
    ),
    M07: onHosts(
      'A tunnel that is silent; 200 that are; a key that is revoked while its tunnel is open; a reload that takes its API away; the gateway is closed with tunnels open.',
      'After `upgradeIdleTimeoutMs` without a byte either way both sides are closed. A revoked key opens no new tunnel; open ones live until they end, also through reloads. `close()` refuses new ones with 503, lets open ones go on, and cuts them when its time is up.',
    ),
    M08: onHosts(
      'Handshakes with an absolute-form target, `//`, dot segments, encoded letters and slashes, broken escapes, and paths that only look as if they were guarded.',
      'One canonical path: the same decision, and the same path at the upstream, as for a GET.',
    ),
    M09: onHosts(
      'Clients that reset their connection in the middle of a handshake: of its head, while a plugin works, while the upstream is silent, while a response plugin works, behind the 101; upstreams that do; 40 of each.',
      'No socket, no running request and no record is left over or missing.',
    ),
    M10: onHosts(
      'A plugin of every hook throws, rejects, or takes too long on an upgrade; a response plugin gives a 101 another status, a body, or an answer in its place.',
      '500 (403 for `auth`) as an ordinary answer without a word of the error, after which the connection is closed; what the plugin makes of the 101 is sent, and there is no tunnel. Plugins cannot reach the socket.',
    ),
    M11: onHosts(
      'Handshakes with spoofed `X-Forwarded-*`, `Forwarded`, `X-Real-IP` and their twins, with `Connection` nominating fields of the gateway and of plugins, with connection fields on either side.',
      'As for any request: claims of a stranger are replaced, nothing of ours is nominated away, and connection fields stay on their connection.',
    ),
  },
}
