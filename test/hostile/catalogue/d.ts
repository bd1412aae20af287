import { type Group, onHosts } from './entry.ts'

export const chainFaults: Group = {
  title: 'Chain faults',
  entries: {
    D01: onHosts(
      'A plugin throws at once, rejects, or returns a thenable that throws: an error, a text, nothing, null, a frozen error, an error whose getters throw, a proxy that cannot be read, an error that claims to be a refusal.',
      'The client gets 500 and one fixed sentence, nothing of what was thrown; `pluginError` names the plugin and the API, with the thrown value as its cause; the next request is served.',
    ),
    D02: onHosts(
      'All of that at every hook: pre, auth, postAuth, endpoint, post, response and analytics.',
      'Hooks of the request and of the response answer 500, auth 403, and nothing of the upstream gets out; an analytics plugin that breaks costs the client nothing: its record is dropped and counted.',
    ),
    D03: onHosts(
      'A plugin never settles, or settles after its deadline, at every hook.',
      'The request ends at the deadline of the plugin (`pluginTimeoutMs`, 5 seconds by default) with 500, at auth 403; what comes later is discarded and reported as `PSTN_PLUGIN_LATE`; the context’s signal is aborted.',
    ),
    D04: onHosts(
      'A plugin keeps the processor busy and gives it back only now and then, or only at its end.',
      'No other plugin can run meanwhile: code in the same process cannot be interrupted. Its request ends with its deadline as soon as the process gets to its timers, and everybody who waited is served then.',
    ),
    D05: onHosts(
      'A plugin settles twice, decides and goes on changing the request, or changes messages after the answer has left.',
      'The first outcome counts; the client gets one answer and no byte more, later changes have no effect and raise one `lateChange` for each request.',
    ),
    D06: onHosts(
      'A plugin keeps the request, the session, the definition and the config of one request and changes them while another request runs, and afterwards.',
      'Nobody else sees any of it: definition and config are frozen, a session is a copy but for its metadata, and what is noted there after the answer is not kept.',
    ),
    D07: onHosts(
      'A plugin decides with a status of 0, 99, 1000, `"200"`, NaN, 101 or 204 with a body, header values with line breaks, a body of 100 MB, fields that contradict each other, and fields nobody knows.',
      'What HTTP can say is sent as documented; anything else is a 500 whose `pluginError` names the field; nothing invalid is ever written to a connection.',
    ),
    D08: onHosts(
      'A plugin returns null, numbers, texts, functions, empty and foreign objects, a promise of a promise, a proxy that cannot be read, or JSON with a `__proto__` key.',
      'Nothing means nothing changed; whatever is no decision is a 500 whose `pluginError` names the plugin and what was expected; no prototype is polluted.',
    ),
    D09: onHosts(
      'An API calls itself, two APIs call each other, with bodies and with a quota.',
      'A request makes calls five deep; the one below is answered 508. Every call that passes is counted once by the limits of its API and key.',
    ),
    D10: onHosts(
      '200 plugins at one hook, half of them asynchronous, and hooks with empty lists.',
      'They run in the order of the list; an empty list is no hook.',
    ),
    D12: onHosts(
      'A plugin that has got hold of the host’s own request listens to its events, pauses it, or destroys its socket.',
      'The chain ends once, with one record and without a call of the upstream that nobody waits for; a body that stops coming is a 408; the gateway closes at once.',
    ),
    D13: onHosts(
      'A plugin makes 1,000 promises that reject and drops them.',
      'Those are the process’s affair, as everywhere in Node; postern adds none, here and in every other test of this catalogue.',
    ),
  },
  untested: {
    D11: 'There is no driver for plugins in other processes yet; it comes with a later version.',
  },
}
