import { type Group, inCore, onHosts } from './entry.ts'

export const configuration: Group = {
  title: 'Configuration and reload',
  entries: {
    K01: inCore(
      'More than 300 definitions, each with one field of a wrong type, out of its range, missing or of a value nobody knows, and one with many at once.',
      '`createGateway` throws `PSTN_DEFINITION_INVALID` before anything listens: it lists every problem with its path, what was found and what was expected, for people in its message and for programs in its `cause`.',
    ),
    K02: inCore(
      'Unknown hooks, plugins that are undefined, a text, a class, a list or an object without a function; names nobody has handed in, and files that are missing, lead out of their directory, throw, or do not export what is named.',
      'Refused, with the hook, the position in its list and what was found there; what is not found with what there is, and the name that was probably meant. All of them in one list.',
    ),
    K03: inCore(
      'Two APIs with one id, name or listen path, also in different spellings; two endpoint keys that meet the same requests.',
      'Refused, with both places. Routes of the host application are not known to a gateway: an API without an upstream passes requests on to them, one with an upstream keeps them.',
    ),
    K04: inCore(
      'A definition with `__proto__` at every level, 10 MB of data, 1,000 and 100,000 levels, data that contains itself, and `$ref` to files and to URLs.',
      'Unknown names and `__proto__` are refused, `config` may hold any data up to 100 levels, without polluting a prototype; nothing is fetched, since a definition refers to nothing.',
    ),
    K05: inCore(
      'Fields nobody knows, misspelt ones and those of other gateways, at every level; the same in documents of Tyk.',
      'Refused with their path and the name that was probably meant. Of a document of Tyk what is misspelt or would have protected something is refused; what nobody knows is listed as ignored, once.',
    ),
    K07: onHosts(
      'A reload with one broken definition among 100; with a plugin file that is half written, has vanished, throws, or whose `init` fails; all of it while requests come in.',
      'What served before goes on, and no request fails; `reload` rejects with every reason, and `loadError` is raised. The next reload takes over as if nothing had been.',
    ),
    K08: onHosts(
      'A reload with another target, authentication and limits, and without one of the APIs, while 200 slow requests run.',
      'Every request ends as it began, also where its API is gone; the next ones meet the new definitions. After the last request of before its health checks and connections end; what it was made of can be collected.',
    ),
    K09: onHosts(
      'Hundreds of reloads in a row, faster than they can be loaded, good ones and broken ones, and a `close()` among them.',
      'One loads, one waits, and the last that was asked for wins; every promise settles. Nothing is left of the others.',
    ),
    K10: inCore(
      'Timeouts of 0, no timeouts at all, a store policy nobody knows, a keyless API with plugins that only run behind a key, an `auth` plugin that is undefined.',
      'No timeout can be switched off; what would leave an API open by mistake is refused. What is dangerous by choice (`verifyTls: false`, `trustedProxies`, `sessions: "pass"`) has to be written out: every default is the safe value.',
    ),
    K11: onHosts(
      'A gateway on a server with `headersTimeout` or `requestTimeout` of 0, `insecureHTTPParser`, or without `requireHostHeader`; one with Node’s limit of 1,000 fields.',
      'The process warns of each of the first four with the first request, once for each server; a request of which the server may have dropped fields is refused with 431. A server made by `createServer` with its defaults is warned of nothing.',
    ),
  },
  untested: {
    K06: 'No environment variable changes a definition.',
  },
}
