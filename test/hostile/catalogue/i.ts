import { type Group, inCore, onHosts } from './entry.ts'

export const pathMatching: Group = {
  title: 'Path matching',
  entries: {
    I01: onHosts(
      'Dot segments, plain and escaped (`/p/../x`, `/p/%2e%2e/x`, `.%2E`), at the start, at the end, ten deep, and above the root.',
      'One spelling is matched, recorded, shown to plugins and sent on, to an upstream and to the host application alike; what has none, or leads above the root, is 400.',
    ),
    I02: onHosts(
      '`%2f`, `%5c`, `%25`, `%252e`, `%00`, overlong and invalid UTF-8, a lone `%`.',
      'Escaped slashes, backslashes and percent signs stay escaped within their segment and nothing is decoded twice; with dots beside them, and for NUL, broken escapes and invalid UTF-8, the answer is 400.',
    ),
    I03: onHosts(
      '`//`, `///x`, `/x//y`, a slash at the end, `;v=1`, `\\`.',
      'Slashes at the start become one, others are kept, `;` is data, a raw backslash is 400.',
    ),
    I04: onHosts(
      'Upper and lower case, composed and decomposed accents, raw letters beyond ASCII, international host names, `%41` for `A`.',
      'Matching is case-sensitive, escapes of unreserved characters are undone, other bytes are untouched; raw bytes beyond ASCII are 400; a host in the target chooses nothing.',
    ),
    I05: onHosts(
      'An API listens at `/a` and is asked for `/a`, `/a/`, `/ab`, `/A`, `/a%2Fb`, `/x/a`.',
      'It answers whole segments only: itself and what is below it. There is no lax matching by prefix or by part; a mode that reproduces that of Tyk does not exist in this version.',
    ),
    I06: onHosts(
      'A path of 64 KiB, one of 10,000 segments, a query of 5,000 pairs, an endpoint with 1,000 parameters.',
      'Within the 16 KiB a head may have by default, else 431; where more is allowed, reading, matching and forwarding take time in proportion to the length.',
    ),
    I07: inCore(
      'Endpoint paths of many parameters, wildcards and optional groups in one segment, and expressions such as `(a+)+$` among the allowed URLs of a key, against 8 KiB of the worst input.',
      'Matching is linear; more than 256 combinations of optional groups and expressions that repeat a repetition are refused where they are written, by name.',
    ),
    I08: inCore(
      '1,000 APIs of 50 endpoints each, with listen paths and endpoints that overlap, in any order.',
      'The most specific one wins, whatever the order; a lookup does not take longer the more there are.',
    ),
    I09: onHosts(
      'The same bytes are sent to every host: at the root, mounted below a path, and under an Express router with parameters, `strict` and `case sensitive routing`.',
      'Plugins see the same canonical path and query on all of them, or the request is 400 on all of them; a mount takes whole segments off, and a path that leaves it is 400.',
    ),
    I10: onHosts(
      'A plugin builds `request.path` or `request.upstream` from what the client sent: `//evil`, `http://evil`, `@evil`, `\\evil`, escaped line breaks, `?` and `#`.',
      'A path never leaves the upstream of the definition, nor its base path; what is no path, or an upstream with credentials, a query or a fragment, is a failure of that plugin: 500, and nothing is sent.',
    ),
    I11: inCore(
      '20,000 random targets through the canonical spelling and every matcher.',
      'None throws, the canonical spelling is its own canonical spelling, and all of it agrees with a slow reference that follows the standard rule by rule.',
    ),
  },
}
