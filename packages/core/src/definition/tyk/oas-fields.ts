import { isFields } from '../../fields.ts'
import { endsInOurTime, isOn, own, type Vocabulary, type When } from './vocabulary.ts'

const AUTH = 'let a plugin at server.authentication.custom check it'
const ENDPOINT = 'let a plugin at postPlugins of that operation do it'
const REQUEST = 'let a plugin at middleware.global.postPlugins do it'
const RESPONSE = 'let a plugin at middleware.global.responsePlugins do it'
const DENY = 'let a plugin at prePlugins deny'
const ADDRESS = 'let a plugin at prePlugins look at request.clientAddress'
const CERTIFICATES = 'let the host application ask for certificates'
const TAKE_OUT = 'take it out if nobody relies on it'

const unlessKeyless: When = (_, around) =>
  own(around[0], 'enabled') === true ? true : 'without effect, the API is keyless'

const addsOrRemoves: When = (value) => isFields(value) && (isOn(own(value, 'add')) || isOn(own(value, 'remove')))

const listsAddresses: When = (value) => isFields(value) && (isOn(own(value, 'allow')) || isOn(own(value, 'block')))

const signsIn: When = (value) =>
  isFields(value) && ['basicAuth', 'oauth', 'requestSigning'].some((method) => isOn(own(value, method)))

const AUTHENTICATION = 'server.authentication'
const GLOBAL = 'middleware.global'
const OPERATION = 'middleware.operations.*'
const HOOKS = '{pre,postAuthentication,post,response}Plugin{s[],.plugins[]}'

/** Node's own lower bound is 1.2. */
const aboveTls12: When = (value) => !/^1\.[012]$/.test(String(value))

/** Every field of `x-tyk-api-gateway`: what becomes of it. */
export const OAS: Vocabulary = {
  read: `
    info.{id,orgId,name,state.active}
    server.{listenPath.value,listenPath.strip,detailedActivityLogs.enabled,gatewayTags.enabled,gatewayTags.tags}
    ${AUTHENTICATION}.{enabled,stripAuthorizationData,baseIdentityProvider}
    ${AUTHENTICATION}.{securityProcessingMode,security,securitySchemes}
    ${AUTHENTICATION}.customKeyLifetime.{enabled,value,respectValidity}
    ${AUTHENTICATION}.custom.enabled
    ${AUTHENTICATION}.custom.{header.enabled,header.name,query.enabled,query.name,cookie.enabled,cookie.name}
    ${AUTHENTICATION}.custom.config.{enabled,functionName,path,rawBodyOnly,requireSession}
    ${AUTHENTICATION}.custom.config.idExtractor.{enabled,source,with}
    ${AUTHENTICATION}.custom.config.idExtractor.config.{headerName,formParamName,regexp,regexpMatchIndex,xPathExp}
    upstream.{url,preserveHostHeader.enabled,tlsTransport.insecureSkipVerify}
    upstream.{rateLimit.enabled,rateLimit.rate,rateLimit.per}
    upstream.loadBalancing.{enabled,skipUnavailableHosts,targets[].url,targets[].weight}
    ${GLOBAL}.pluginConfig.{driver,bundle.enabled,bundle.path,data.enabled,data.value}
    ${GLOBAL}.{ignoreCase.enabled,skipRateLimit,skipQuota,requestSizeLimit.enabled,requestSizeLimit.value}
    ${GLOBAL}.trafficLogs.{enabled,tagHeaders,customRetentionPeriod}
    ${GLOBAL}.trafficLogs.plugins[].{enabled,functionName,path}
    ${GLOBAL}.${HOOKS}.{enabled,functionName,path,code,rawBodyOnly,requireSession,pluginId,pluginHash}
    ${OPERATION}.postPlugins[].{enabled,functionName,name,path}
    ${OPERATION}.virtualEndpoint.{enabled,functionName,name,path,body,proxyOnError,requireSession}
    ${OPERATION}.rateLimit.{enabled,rate,per}
    ${OPERATION}.{trackEndpoint,doNotTrackEndpoint}.enabled`,

  // Names, and what postern does anyway: it sends the path as it came.
  silent:
    'info.dbId info.versioning.* server.slug upstream.preserveTrailingSlash {server,middleware.global}.contextVariables',

  ignored: {
    'server.detailedTracing': 'tracing is that of the host application',
    'server.eventHandlers': 'there are no event handlers; gateway.on listens to events',
    'server.batchProcessing': 'there is no endpoint for batches',
    'server.port': 'the host application listens',
    'upstream.serviceDiscovery': 'there is no service discovery; requests go to upstream.url',
    'upstream.uptimeTests': 'there are no uptime tests; upstream.health of a native definition checks targets',
    'upstream.tlsTransport.maxVersion': 'it is the newest version both sides have',
    [`{${GLOBAL},${OPERATION}}.cache`]: 'answers are not cached',
    [`${GLOBAL}.skipQuotaReset`]: 'quotas are those keys are created with',
  },

  refused: {
    'info.expiration': ['a date on which the API ends', 'let a plugin at prePlugins deny from then on', endsInOurTime],
    'info.state.internal': ['an internal API', 'take it out of what clients can reach'],
    'info.versioning.enabled': ['choosing a version', 'make each version an API of its own'],
    [`${AUTHENTICATION}.hmac`]: ['authentication by HMAC signature', AUTH, unlessKeyless],
    [`${AUTHENTICATION}.oidc`]: ['OpenID Connect', AUTH, unlessKeyless],
    'server.clientCertificates': ['authentication by client certificate', CERTIFICATES],
    'server.customDomain': ['a custom domain', 'let a plugin at prePlugins look at request.host'],
    'server.ipAccessControl': ['a list of addresses', ADDRESS, listsAddresses],
    'server.protocol': ['another protocol than HTTP', TAKE_OUT, (value) => value !== 'http' && value !== 'https'],
    'upstream.mutualTLS': ['a client certificate for the upstream', TAKE_OUT],
    'upstream.certificatePinning': ['pinning of public keys', TAKE_OUT],
    'upstream.authentication': ['authentication at the upstream', REQUEST, signsIn],
    'upstream.proxy': ['a proxy on the way to the upstream', TAKE_OUT],
    'upstream.tlsTransport.ciphers': ['a choice of TLS ciphers', TAKE_OUT],
    'upstream.tlsTransport.minVersion': ['a lowest version of TLS', TAKE_OUT, aboveTls12],
    'upstream.tlsTransport.forceCommonNameCheck': ['a check of common names', TAKE_OUT],
    errorOverrides: ['changing error answers', TAKE_OUT],
    [`${GLOBAL}.cors`]: ['CORS', 'let the host application answer it, before the gateway'],
    [`${GLOBAL}.transformRequestHeaders`]: ['changing request headers', REQUEST, addsOrRemoves],
    [`${GLOBAL}.transformResponseHeaders`]: ['changing response headers', RESPONSE, addsOrRemoves],
    'middleware.{mcpTools,mcpResources,mcpPrompts}': ['MCP', TAKE_OUT],
    [`${OPERATION}.allow`]: ['an allow list', DENY],
    [`${OPERATION}.block`]: ['a block list', DENY],
    [`${OPERATION}.internal`]: ['an internal endpoint', DENY],
    [`${OPERATION}.ignoreAuthentication`]: ['an endpoint without authentication', 'make it a keyless API of its own'],
    [`${OPERATION}.mockResponse`]: ['a mock response', 'let a plugin at postPlugins of that operation answer'],
    [`${OPERATION}.transformRequestMethod`]: ['changing methods', ENDPOINT],
    [`${OPERATION}.transformRequestBody`]: ['transforming request bodies', ENDPOINT],
    [`${OPERATION}.transformResponseBody`]: ['transforming response bodies', RESPONSE],
    [`${OPERATION}.transformRequestHeaders`]: ['changing request headers', ENDPOINT, addsOrRemoves],
    [`${OPERATION}.transformResponseHeaders`]: ['changing response headers', RESPONSE, addsOrRemoves],
    [`${OPERATION}.urlRewrite`]: ['rewriting URLs', ENDPOINT],
    [`${OPERATION}.validateRequest`]: ['validation of requests', ENDPOINT],
    [`${OPERATION}.circuitBreaker`]: ['a circuit breaker of an endpoint', TAKE_OUT],
    [`${OPERATION}.enforceTimeout`]: ['a timeout of an endpoint', TAKE_OUT],
    [`${OPERATION}.requestSizeLimit`]: ['a size limit of an endpoint', 'use requestSizeLimit of middleware.global'],
  },
}
