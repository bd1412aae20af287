import type { ApiDefinitionInput } from './api-input.ts'
import type { DefinitionSource } from './source.ts'

/** A Tyk OAS document: an OpenAPI document with `x-tyk-api-gateway`. Its plugins are named; see `options.plugins`. */
export interface TykOasDocument {
  readonly 'x-tyk-api-gateway': object
  readonly openapi?: string
  readonly info?: object
  readonly paths?: object
  readonly components?: object
  readonly security?: readonly object[]
  readonly servers?: readonly object[]
  readonly tags?: readonly object[]
}

/** A Tyk Classic API definition. Its plugins are named; see `options.plugins`. */
export interface TykClassicDocument {
  readonly proxy: object
  readonly name?: string
  readonly api_id?: string
  readonly org_id?: string
  readonly active?: boolean
  readonly use_keyless?: boolean
  readonly custom_plugin_auth_enabled?: boolean
  readonly custom_middleware?: object
  readonly version_data?: object
  readonly config_data?: object
}

/** A resource of Tyk Operator: a Tyk Classic API definition under `spec`. */
export interface TykOperatorResource {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata?: object
  readonly spec: object
}

/** What a gateway takes for a definition, told apart by its shape. */
export type DefinitionInput =
  | ApiDefinitionInput
  | TykOasDocument
  | TykClassicDocument
  | TykOperatorResource
  | DefinitionSource
