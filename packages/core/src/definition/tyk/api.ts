import type { Found, Place } from './document.ts'

/** What both dialects say, in one form: from here on nobody knows which of them it was. */
export interface TykApi {
  readonly active: boolean
  readonly name: Found<string | undefined>
  readonly id: Found<string | undefined>
  readonly orgId: Found<string | undefined>
  readonly listenPath: Found<string | undefined>
  readonly stripListenPath: Found<boolean>
  readonly upstream: TykUpstream
  readonly authentication: TykAuthentication
  /** Undefined: a bundle is missing, so nobody knows. */
  readonly plugins: TykPlugins | undefined
  readonly endpoints: readonly TykEndpoint[]
  readonly rateLimit: TykRateLimit
  readonly skipRates: Found<boolean>
  readonly skipQuotas: Found<boolean>
  readonly ignoreCase: Found<boolean>
  /** Bytes; 0 is none. */
  readonly sizeLimit: Found<number | undefined>
  readonly version: Found<string | undefined>
  readonly config: Found<unknown>
  readonly records: TykRecords
}

interface TykUpstream {
  /** What lists of targets speak where they do not say. */
  readonly protocol: Found<string | undefined>
  readonly url: Found<string | undefined>
  /** Empty: there is only the one. */
  readonly targets: readonly { readonly url: Found<string | undefined>; readonly weight: Found<number | undefined> }[]
  readonly preserveHost: Found<boolean>
  readonly skipVerify: Found<boolean>
}

export interface TykAuthentication {
  readonly keyless: Found<boolean>
  readonly custom: Found<boolean>
  readonly token: Found<boolean>
  /** Another method is switched on, which has been refused. */
  readonly other: boolean
  readonly tokenSource: TykKeySource | undefined
  readonly customSource: TykKeySource | undefined
  readonly strip: Found<boolean>
  readonly baseIdentity: Found<string | undefined>
  /** Seconds; 0 says nothing. */
  readonly lifetime: Found<number | undefined>
  readonly keepUntilExpiry: Found<boolean>
}

/** Where a key is. */
export interface TykKeySource {
  readonly path: string
  readonly header: Found<string | false>
  readonly query: Found<string | undefined>
  readonly cookie: Found<string | undefined>
  /** What it asks for besides, and nobody does. */
  readonly refused: readonly Found<string>[]
}

/** An entry that is switched on. */
export interface TykPlugin {
  readonly place: Place
  readonly namePlace: Place
  readonly name: Found<string | undefined>
  readonly filePlace: Place
  readonly file: Found<string | undefined>
  /** Where its source stands in the document itself. */
  readonly source: Place | undefined
  readonly driver: string | undefined
}

/** What `custom_middleware` says, in a document or in a bundle. */
export interface TykPlugins {
  readonly place: Place
  /** Where the plugin for authentication is, or would be. */
  readonly authPlace: Place
  readonly pre: readonly TykPlugin[]
  /** `disabled`: there is one, and it is switched off. */
  readonly auth: TykPlugin | 'disabled' | undefined
  readonly postAuth: readonly TykPlugin[]
  readonly post: readonly TykPlugin[]
  readonly response: readonly TykPlugin[]
  readonly analytics: readonly TykPlugin[]
  readonly idExtractor: TykIdExtractor | undefined
}

export interface TykIdExtractor {
  readonly path: string
  readonly elsewhere: string | undefined
  readonly source: Found<string | undefined>
  readonly mode: Found<string | undefined>
  readonly header: Found<string | undefined>
  readonly param: Found<string | undefined>
  readonly regex: Found<string | undefined>
  readonly matchIndex: Found<number | undefined>
  readonly xpath: Found<string | undefined>
}

export interface TykEndpoint {
  readonly method: string
  /** As the document writes it. */
  readonly path: Found<string>
  readonly plugins: readonly TykPlugin[]
  readonly rateLimit: TykRateLimit | undefined
  readonly recorded: 'track' | 'skip' | undefined
}

export interface TykRateLimit {
  readonly path: string
  readonly disabled: boolean
  readonly rate: Found<number | undefined>
  /** Seconds. */
  readonly per: Found<number | undefined>
}

interface TykRecords {
  /** False: none are kept. */
  readonly kept: Found<boolean>
  readonly detailed: Found<boolean>
  readonly tags: readonly Found<string | undefined>[]
  readonly tagHeaders: readonly Found<string | undefined>[]
  /** Seconds; 0 says nothing. */
  readonly retention: Found<number | undefined>
}
