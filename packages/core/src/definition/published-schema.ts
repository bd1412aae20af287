import type { JsonSchema } from '../json-schema.ts'
import { POLICY } from '../session/policy.ts'
import { jsonSchemaOf } from './json-form.ts'
import { definitionSchema, pluginReference } from './schema.ts'

/** What editors and other programs know of definitions in files; `definition.schema.json` adds the words of the pages. */
export function publishedSchema(): JsonSchema {
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    ...jsonSchemaOf(definitionSchema),
    $defs: { plugin: jsonSchemaOf(pluginReference), policy: POLICY.schema },
  }
}
