import type { Fields } from '../fields.ts'
import type { Problem, Suspicion } from './problems.ts'

/** How Tyk's endpoint paths are compared with a request's: `whole`, or as a gateway with other settings does. */
export type TykPathMatching = 'whole' | 'prefix' | 'suffix' | 'contains'

/** What a translation depends on beside the document. */
export interface TranslationContext {
  /** Whether the host hands in a function of this name: then nobody looks for a file. */
  readonly named: (functionName: string) => boolean
  /** Manifests of plugin bundles by the name documents give them. */
  readonly bundles: Readonly<Record<string, unknown>>
  readonly pathMatching: TykPathMatching
}

/** A document in the native form, and where each part of that stands in the document. */
export interface Translation {
  /** Native, not validated yet; undefined where nothing could be made of the document, as the problems say. */
  readonly input: Fields | undefined
  /** Paths of the native form (`hooks.pre[0]`) to those of the document (`custom_middleware.pre[1]`); parts follow their whole. */
  readonly origins: ReadonlyMap<string, string>
  /** Of what stands elsewhere, such as in a bundle the document names: where, as a phrase that begins messages. */
  readonly elsewhere: ReadonlyMap<string, string>
  /** What is wrong, or would have protected something and cannot. Paths are those of the document. */
  readonly problems: readonly Suspicion[]
  /** What is ignored, or works another way than it reads. Paths are those of the document. */
  readonly warnings: readonly Problem[]
  /** False: the document says that it is not to be served. */
  readonly active: boolean
  /** What is served instead of an API that is not, so that nothing opens behind it. */
  readonly closed?: Fields
}

/** Takes a document of another dialect apart. Never throws. */
export type Translate = (document: Fields, context: TranslationContext) => Translation
