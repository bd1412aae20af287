/** A definition with the text it was written in, so that what is wrong with it can be shown in its place. */
export interface DefinitionSource {
  /** The definition as data, whatever its shape. */
  readonly document: unknown
  /** The name of the file, as messages show it. */
  readonly file: string
  /**
   * Where the value at a path stands, or its key where the value begins on a later line, or `part` asks for it; of what is
   * missing the key of the nearest part around it that is there. From 1.
   */
  locate(path: readonly (string | number)[], part?: 'value' | 'key'): { line: number; column: number } | undefined
}
