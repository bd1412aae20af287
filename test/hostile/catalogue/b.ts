import { type Group, onHosts } from './entry.ts'

export const headerSafety: Group = {
  title: 'Header safety',
  facesUpstreams: true,
  entries: {
    B01: onHosts(
      'A request carries each of the fields that belong to one connection: `Connection`, `Keep-Alive`, the `Proxy-*` ones, `TE`, `Trailer`, `Transfer-Encoding`, `Upgrade`, `HTTP2-Settings`.',
      'None of them is forwarded, `TE` not even as `trailers`; the connection to the upstream and the framing on it are made anew.',
    ),
    B02: onHosts(
      '`Connection` nominates other fields: on one line, on three, in odd case, in quotes, 100 or 200 of them.',
      'What is nominated is not forwarded; more than 100 names are refused with 400.',
    ),
    B03: onHosts(
      '`Connection` nominates `X-Forwarded-For`, a field a plugin adds, `Host`, `Content-Length`, `Authorization` or `Cookie`.',
      'What the gateway and its plugins add stays, and so do `Host` and the framing; `Authorization` and `Cookie` stay unless `strip` takes the key away.',
    ),
    B04: onHosts(
      'The upstream sends fields of its connection, or nominates fields by `Connection`, in all these ways.',
      'The client gets none of them.',
    ),
    B05: onHosts(
      'A plugin sets a header of a request or of a response with CR, LF, NUL, a lone surrogate or another character above U+00FF, a name with a space, or a value of 1 MiB.',
      'That plugin fails: `pluginError` names it, the client gets 500, nothing of the field is on any wire, and the next request is served.',
    ),
    B06: onHosts(
      'A plugin sets `Content-Length`, `Transfer-Encoding`, `Host`, `Connection` and its relatives, on the request and on the response.',
      'They have no effect, and a warning says so once; the Host is chosen by `preserveHost` and `request.upstream` only.',
    ),
    B07: onHosts(
      'A plugin replaces a body by a longer one, a shorter one, an empty one, text with characters of several bytes, a Buffer, or a stream.',
      'The other side gets exactly these bytes, with their length in bytes or in chunks, never both.',
    ),
    B08: onHosts(
      'A response plugin reads or changes a body under `gzip` (of several members, too), `br`, `deflate` with and without its head, two codings, an unknown coding, `no-transform`, 206, `HEAD` or 304.',
      'One known coding is undone within `maxBufferedBytes` and the headers that described the old bytes are corrected; reading a body under two codings or an unknown one, and editing a part, is a failure of that plugin, 500; a plugin that reads no body changes no byte of it; `HEAD` and 304 never have one.',
    ),
    B09: onHosts(
      'The upstream answers with a compression bomb of 10 MiB, 1 GiB or 10 GiB, and a plugin reads the body.',
      'Decoding stops at `maxBufferedBytes`: the client gets 500 and the memory needed stays near that limit; an edit by `transform` streams and holds nothing.',
    ),
    B10: onHosts(
      'A client forges `X-Forwarded-For`, `-Proto`, `-Host`, `-Port`, `-Prefix`, `Forwarded`, `X-Real-IP` and their twins with `_`; nobody is trusted, one network, or two hops.',
      'Trusting nobody, the gateway drops all of them and says what it knows itself; they are kept only from a trusted address. `request.clientAddress` and the record name the address that follows from what the upstream is told. Rate limits count by API and by key, never by address.',
    ),
    B11: onHosts(
      '`X-Forwarded-For` with IPv6 in any form, `::ffff:1.2.3.4`, zones, ports, brackets, garbage, and 10,000 entries.',
      'One client has one address, however it is written; reading goes from the right and ends at the first entry that is no address: nothing left of it is believed; the time it takes is linear.',
    ),
    B12: onHosts(
      'Requests with a Host of their own, one from a trusted proxy, or none; upstreams with a port, and with an IPv6 address.',
      'The upstream gets one Host: its own, or with `preserveHost` the one the client asked for; one that is no host is never passed on.',
    ),
    B13: onHosts(
      'The upstream sets three cookies; a response plugin adds one and takes one away.',
      'The client gets each on a line of its own, in order, byte for byte, never joined.',
    ),
    B14: onHosts(
      'Repeated fields, two `Cookie` lines, empty values, bytes above 127.',
      'Order, spelling and bytes are kept; two `Cookie` lines become one, joined by `; `.',
    ),
    B15: onHosts(
      'The upstream answers with names or values HTTP does not allow, two lengths, a length beside chunks, or a length that is none.',
      'The client gets 502 and nothing of that answer; the connection to the upstream is dropped and the record says why.',
    ),
    B16: onHosts(
      'The upstream redirects to `//evil`, `/\\evil`, `javascript:`, escaped line breaks, its own inner address.',
      '`Location` is passed on byte for byte: the gateway rewrites no redirect and follows none.',
    ),
    B17: onHosts(
      'A refusal repeats what the client sent, `<script>` included; failures have keys, stacks and host names near.',
      'The body is JSON, or XML with everything escaped, sent with `nosniff`; no key, no stack, no path and no host name is in it.',
    ),
    B18: onHosts(
      '`TRACE`, and `Max-Forwards` on other methods.',
      '`TRACE` is 405 and reaches neither plugin nor upstream; `Max-Forwards` passes unchanged.',
    ),
    B19: onHosts(
      'The gateway is its own upstream; the client tries to hide that by nominating `CDN-Loop` in `Connection`.',
      'A request that has passed the gateway ten times is refused with 508; `Via` is neither needed nor added.',
    ),
  },
}
