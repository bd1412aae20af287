/** A definition with the text it was written in, so that what is wrong with it can be shown in its place. */
export interface DefinitionSource {
  /** The definition as data, whatever its shape. */
  readonly document: unknown
  /** The name of the file, as messages show it. */
  readonly file: string
  /**
   * Where the value at a path stands, from 1; its key where the value begins on a later line. Of what is missing: the key
   * of the nearest part above that is there.
   */
  locate(path: readonly (string | number)[]): { line: number; column: number } | undefined
}
