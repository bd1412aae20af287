import { type Group, onHosts } from './entry.ts'

export const authentication: Group = {
  title: 'Authentication and sessions',
  entries: {
    E01: onHosts(
      'No key; one nobody made; an inactive one; one that expired a second ago; one for another API; one of bytes that are no text; one of 64 KiB; one with a NUL.',
      '401 where there is no key and where it has expired, 403 for every other, with the sentence of the reason; what the head cannot hold is 431, a NUL in a field 400. Nothing reaches the upstream.',
    ),
    E02: onHosts(
      'The key in a header, a query parameter and a cookie, with `Bearer` in any case, with two spaces, as `Basic`, in two places at once, and in places nobody configured.',
      'It counts where the definition says, else there is none (401). `Bearer` and one space are taken off; what is left is the key, byte for byte. Two different keys are a 400. A key in the query is neither sent on nor recorded, unless told otherwise.',
    ),
    E03: onHosts(
      'Keys that differ from a real one in their first, their last and all bytes.',
      'Every lookup goes by the SHA-256 of the key, so that no secret byte is compared with one that was sent, and proofs are compared with `timingSafeEqual`; the answers are the same to the byte. Time itself is not measured.',
    ),
    E04: onHosts(
      'A stored session that is no JSON, has `__proto__`, `constructor.prototype`, names twice, wrong types, 10 MB, or is a list.',
      'Its key is refused with 403 and `storeError`, every other key is served, and no prototype is polluted; of names given twice the last counts; fields nobody knows change nothing.',
    ),
    E05: onHosts(
      'A plugin writes `__proto__`, an object that contains itself, a bigint, a function, NaN and a date into the metadata of a session.',
      'The answer is out by the time it is saved: the request is served, nothing of it is stored, and the process warns once with the name of the field.',
    ),
    E06: onHosts(
      'An id extractor with `^(a+)+$`, `(.*)*x` and their like, a backreference, a lookahead, a huge count; 8 KiB of input made for them; ids and texts beyond the limits.',
      'Expressions that repeat what repeats, and what is not RE2, are refused when the definition is read; all others take time linear in a text of limited length, and an id longer than 8 Ki characters names nobody (400).',
    ),
    E07: onHosts(
      'Two credentials with the same extracted id, `good-42` and `evil-42`.',
      'The session of the first serves the first only: the second meets the `auth` plugin, every time.',
    ),
    E08: onHosts(
      'The same extracted id at two APIs with one store, and at a plugin under another name.',
      'Each has its own session; a plugin that is given a new name with its new version asks everybody anew.',
    ),
    E09: onHosts(
      'A key is revoked, deleted, restricted to another API, or expires at one gateway while another one with the same store is under load.',
      'Every request that comes after the change has been answered is refused everywhere. With copies (`cacheMs` of Redis) that holds after `cacheMs` at the latest; proven with real processes beside this catalogue.',
    ),
    E10: onHosts(
      'The `auth` plugin throws, takes too long, or returns nothing, null, true, an empty object, a session without a token, with fields of wrong types, or with policies nobody knows.',
      '403, never through: only a session lets somebody in.',
    ),
    E11: onHosts(
      '2,000 requests at once with one id nobody has seen, while the plugin thinks, and once more while it fails.',
      'The plugin is asked once for all of them; a failure is shared by those who wait and by nobody who comes later.',
    ),
    E12: onHosts(
      'A key that does not exist, asked for 2,000 times and then created.',
      'It works with the next request. With copies of Redis an unknown key is asked about once in `cacheMs`.',
    ),
    E13: onHosts(
      'Two texts with the same MD5 as extracted ids; keys that differ only in case, in their Unicode form, or in one character at the end.',
      'They are different callers: ids are SHA-256 of the bytes, and keys compare byte by byte.',
    ),
    E14: onHosts(
      'OPTIONS with and without a preflight’s fields, HEAD, a made-up method, an upgrade, an absolute target, `//` and encoded spellings of the path of a protected API.',
      'The same decision as for GET: 401 without a key, and with it the request is let in.',
    ),
    E15: onHosts(
      'Good and bad keys in every place, plugins that log and throw, and then a search through everything postern has said.',
      'No key is in events, records, logs of the gateway, warnings, error bodies or headers; hashes are shortened.',
    ),
    E16: onHosts(
      'A client sends `X-Tyk-Authorization`, `X-Tyk-Api-Key`, `x_tyk_trace` and other fields of that family, also with `underscoreHeaders: keep`.',
      'They are dropped before the first plugin, and the upstream never sees them.',
    ),
  },
}
