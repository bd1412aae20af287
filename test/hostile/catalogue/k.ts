import { type Group, inCore, onHosts } from './entry.ts'

const RELOAD = 'Definitions cannot be exchanged while a gateway runs yet; that comes with a later version.'

export const configuration: Group = {
  title: 'Configuration and reload',
  entries: {
    K01: inCore(
      'More than 300 definitions, each with one field of a wrong type, out of its range, missing or of a value nobody knows, and one with many at once.',
      '`createGateway` throws `PSTN_DEFINITION_INVALID` before anything listens: it lists every problem with its path, what was found and what was expected, for people in its message and for programs in its `cause`.',
    ),
    K02: inCore(
      'Unknown hooks, plugins that are undefined, a name, a class, a list or an object without a function.',
      'Refused, with the hook, the position in its list and what was found there. Plugins are functions: there are no files or drivers to be missing yet.',
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
      'Fields nobody knows, misspelt ones and those of other gateways, at every level.',
      'Refused with their path and the name that was probably meant.',
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
    K07: RELOAD,
    K08: RELOAD,
    K09: RELOAD,
  },
}
