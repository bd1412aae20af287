/** Definitions from JSON and YAML files, read and watched. */
export { type DefinitionPaths, readDefinitions } from './read-definitions.ts'
export { type Reloadable, watch, type Watching, type WatchOptions } from './watch.ts'
