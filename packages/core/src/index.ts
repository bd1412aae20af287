/** The plugin contract, definitions and errors of postern. Hosts: `@postern/express`, `@postern/koa`, `@postern/http`. */
export { defineApi } from './api-input.ts'
export type { ApiDefinition, ApiInfo, Upstream } from './api.ts'
export type {
  ApiDefinitionInput,
  AuthenticationInput,
  BalancedUpstreamInput,
  CircuitBreakerInput,
  EndpointKey,
  EndpointOrder,
  ForwardedPolicy,
  HealthCheckInput,
  HooksInput,
  IdExtractorInput,
  LimitsInput,
  PluginEntry,
  PluginReference,
  PluginSettings,
  RateLimitInput,
  RecordsInput,
  SecretsInput,
  SingleUpstreamInput,
  TargetInput,
  TokenInput,
  UpstreamInput,
} from './api-input.ts'
export type { DefinitionInput, TykClassicDocument, TykOasDocument, TykOperatorResource } from './definition-input.ts'
export { getLogger } from './chain/get-logger.ts'
export { createContext } from './create-context.ts'
export { jsonLines } from './analytics/json-lines.ts'
export type { Secrets } from './analytics/masks.ts'
export type { AnalyticsRecord, HookTimes } from './analytics/record.ts'
export type { LossReason, RecordQueueInput, RecordSink, RecordsLost, RecordWriter } from './analytics/sink.ts'
export type { GatewayEvent, GatewayEvents, Listener } from './chain/events.ts'
export type { ExplainedHook, Explanation } from './chain/explain.ts'
export type { ApiChange, ReloadReport } from './chain/reload-report.ts'
export type { HookOutcome, HookTrace, PluginOutcome, PluginTrace, RequestTrace, UpstreamTrace } from './chain/traces.ts'
export type { Problem } from './definition/problems.ts'
export { ERRORS, GatewayError, isGatewayError } from './errors.ts'
export type { GatewayErrorCode } from './errors.ts'
export type { Forwarder } from './forward/forwarder.ts'
export { checkDefinitions } from './check.ts'
export type { CheckReport } from './check.ts'
export type { DefinitionSource } from './source.ts'
export type { NamedPlugins } from './definition/plugin-references.ts'
export type { TykPathMatching } from './definition/translation.ts'
export type { Gateway, UpgradeOptions } from './gateway.ts'
export type { GatewayOptions } from './options.ts'
export type { KeyInfo, KeyPage, KeyQuota, KeyRef, NewKey, Sessions } from './sessions.ts'
export type { StoreFailurePolicy, StoreFeature } from './chain/store-failure-policy.ts'
export type {
  AnalyticsContext,
  AnalyticsPlugin,
  AuthContext,
  AuthPlugin,
  CallInit,
  EndpointContext,
  EndpointPlugin,
  GrantOrEnd,
  Hook,
  KeepOrDrop,
  KeepOrReplace,
  Log,
  PassOrEnd,
  PathParams,
  PluginContext,
  Plugins,
  PostAuthContext,
  PostAuthPlugin,
  PostContext,
  PostPlugin,
  PreContext,
  PrePlugin,
  RequestState,
  ResponseContext,
  ResponsePlugin,
} from './hooks.ts'
export { createRequest, createResponse } from './http/create.ts'
export type { RequestInput } from './http/create.ts'
export { deny, respond } from './http/decision.ts'
export type { Decision, ReturnOverrides } from './http/decision.ts'
export type { BodyInput } from './http/body.ts'
export type { GatewayHeaders, HeaderFields, HeadersInput, ReadonlyHeaders } from './http/headers.ts'
export type { GatewayQuery } from './http/query.ts'
export type { GatewayRequest, ReadonlyGatewayRequest, ReadonlyQuery } from './http/request.ts'
export type { GatewayResponse } from './http/response.ts'
export type { TransformPair } from './http/transforming.ts'
export type { LogTarget } from './plugins/log.ts'
export { memoryStore } from './session/memory-store.ts'
export type { Policy, PolicyInput } from './session/policy.ts'
export type {
  AccessRightInput,
  KeyInput,
  KnownSession,
  Session,
  SessionFields,
  SessionInput,
  SessionMetadata,
  SessionView,
} from './session/session.ts'
export type { Store } from './session/store.ts'
