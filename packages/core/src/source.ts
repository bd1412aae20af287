/** A definition read from a text: where something stands in it can be told. */
export interface DefinitionSource {
  /** What the text says. */
  readonly document: unknown
  /** The name of the text for people: its path as it was given. */
  readonly file: string
  /** Where the value at a path stands, or the nearest part around it that is there; lines and columns from 1. */
  locate(path: readonly (string | number)[]): { readonly line: number; readonly column: number } | undefined
}
