import { z } from 'zod'
import type { JsonSchema } from '../json-schema.ts'

const forms = new WeakMap<z.core.$ZodType, () => JsonSchema>()

/** Says what a schema takes of JSON beside what can be read off it; for one whose check is code, all of it. */
export function inJson<T extends z.ZodType>(schema: T, form: JsonSchema | (() => JsonSchema)): T {
  forms.set(schema, typeof form === 'function' ? form : () => form)
  return schema
}

/** The JSON side of a schema. */
export function jsonSchemaOf(schema: z.ZodType): JsonSchema {
  const { $schema: _, ...form } = z.toJSONSchema(schema, {
    io: 'input',
    unrepresentable: 'any',
    override: ({ zodSchema, jsonSchema }) => Object.assign(jsonSchema, forms.get(zodSchema)?.()),
  })
  return form
}
