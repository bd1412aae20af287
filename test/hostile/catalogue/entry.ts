/** One attack of the catalogue. */
export interface Entry {
  /** What the attacker, or bad luck, does. */
  readonly sends: string
  /** What postern promises. */
  readonly promises: string
  /** `hosts`: on every one of them; `core`: no host is involved; `process`: whole processes. */
  readonly on: 'hosts' | 'core' | 'process'
}

/** The attacks of one kind. Their ids are those of the catalogue, and the names of their tests. */
export interface Group {
  readonly title: string
  readonly entries: Readonly<Record<string, Entry>>
  /** They come from upstreams, or go there: tested with every engine. */
  readonly facesUpstreams?: boolean
  /** Ids that have no test, and why. */
  readonly untested?: Readonly<Record<string, string>>
}

export const onHosts = (sends: string, promises: string): Entry => ({ sends, promises, on: 'hosts' })
export const inCore = (sends: string, promises: string): Entry => ({ sends, promises, on: 'core' })
export const inProcesses = (sends: string, promises: string): Entry => ({ sends, promises, on: 'process' })
