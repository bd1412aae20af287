/** What stands in the options of a gateway, not in a definition. */
export const OPTION_NAMES: readonly string[] = [
  'log',
  'forward',
  'engine',
  'store',
  'policies',
  'onStoreError',
  'recordCapacity',
  'sinks',
  'recordQueue',
  'plugins',
  'pluginsDirectory',
  'bundles',
  'tykPathMatching',
]
