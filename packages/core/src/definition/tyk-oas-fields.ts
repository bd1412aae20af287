import { isFields } from './tyk-document.ts'
import { isOn, own, type Refusal, type Vocabulary, type When } from './tyk-vocabulary.ts'

const AUTH = 'let a plugin at server.authentication.custom check it'
const ENDPOINT = 'let a plugin at postPlugins of that operation do it'
const REQUEST = 'let a plugin at middleware.global.postPlugins do it'
const RESPONSE = 'let a plugin at middleware.global.responsePlugins do it'
const TAKE_OUT = 'take it out if nobody relies on it'

const unlessKeyless: When = (_, around) =>
  own(around[0], 'enabled') === true ? true : 'without effect, the API is keyless'

const addsOrRemoves: When = (value) => isFields(value) && (isOn(own(value, 'add')) || isOn(own(value, 'remove')))

const listsAddresses: When = (value) => isFields(value) && (isOn(own(value, 'allow')) || isOn(own(value, 'block')))

const signsIn: When = (value) =>
  isFields(value) && ['basicAuth', 'oauth', 'requestSigning'].some((method) => isOn(own(value, method)))

const expires: When = (value) => value !== '-1'

const SOURCE = ['header', 'query', 'cookie'].flatMap((place) => [`${place}.enabled`, `${place}.name`])

const PLUGIN = ['enabled', 'functionName', 'path', 'code', 'rawBodyOnly', 'requireSession', 'pluginId', 'pluginHash']

const HOOKS = ['pre', 'postAuthentication', 'post', 'response'].flatMap((hook) =>
  [`${hook}Plugins[]`, `${hook}Plugin.plugins[]`].flatMap((list) => PLUGIN.map((field) => `${list}.${field}`)),
)

const AUTHENTICATION = 'server.authentication'
const CUSTOM = `${AUTHENTICATION}.custom`
const GLOBAL = 'middleware.global'
const OPERATION = 'middleware.operations.*'

const below = <T>(prefix: string, rows: Readonly<Record<string, T>>): Record<string, T> =>
  Object.fromEntries(Object.entries(rows).map(([path, row]) => [`${prefix}.${path}`, row]))

/** Every field of `x-tyk-api-gateway`: what becomes of it. */
export const OAS: Vocabulary = {
  read: [
    ...['id', 'orgId', 'name', 'state.active'].map((field) => `info.${field}`),
    ...['listenPath.value', 'listenPath.strip', 'detailedActivityLogs.enabled'].map((field) => `server.${field}`),
    ...['enabled', 'tags'].map((field) => `server.gatewayTags.${field}`),
    ...[
      'enabled',
      'stripAuthorizationData',
      'baseIdentityProvider',
      'securityProcessingMode',
      'security',
      'securitySchemes',
    ]
      .concat(['enabled', 'value', 'respectValidity'].map((field) => `customKeyLifetime.${field}`))
      .map((field) => `${AUTHENTICATION}.${field}`),
    ...['enabled', ...SOURCE].map((field) => `${CUSTOM}.${field}`),
    ...['enabled', 'functionName', 'path', 'rawBodyOnly', 'requireSession'].map((field) => `${CUSTOM}.config.${field}`),
    ...['enabled', 'source', 'with'].map((field) => `${CUSTOM}.config.idExtractor.${field}`),
    ...['headerName', 'formParamName', 'regexp', 'regexpMatchIndex', 'xPathExp'].map(
      (field) => `${CUSTOM}.config.idExtractor.config.${field}`,
    ),
    ...['url', 'preserveHostHeader.enabled', 'tlsTransport.insecureSkipVerify']
      .concat(['enabled', 'rate', 'per'].map((field) => `rateLimit.${field}`))
      .concat(
        ['enabled', 'skipUnavailableHosts', 'targets[].url', 'targets[].weight'].map(
          (field) => `loadBalancing.${field}`,
        ),
      )
      .map((field) => `upstream.${field}`),
    ...['pluginConfig.driver', 'pluginConfig.bundle.enabled', 'pluginConfig.bundle.path']
      .concat(
        'pluginConfig.data.enabled',
        'pluginConfig.data.value',
        'ignoreCase.enabled',
        'skipRateLimit',
        'skipQuota',
      )
      .concat('requestSizeLimit.enabled', 'requestSizeLimit.value')
      .concat('trafficLogs.enabled', 'trafficLogs.tagHeaders', 'trafficLogs.customRetentionPeriod')
      .concat(['enabled', 'functionName', 'path'].map((field) => `trafficLogs.plugins[].${field}`))
      .concat(HOOKS)
      .map((field) => `${GLOBAL}.${field}`),
    ...['enabled', 'functionName', 'name', 'path'].map((field) => `${OPERATION}.postPlugins[].${field}`),
    ...['enabled', 'functionName', 'name', 'path', 'body', 'proxyOnError', 'requireSession'].map(
      (field) => `${OPERATION}.virtualEndpoint.${field}`,
    ),
    ...['enabled', 'rate', 'per'].map((field) => `${OPERATION}.rateLimit.${field}`),
  ],
  silent: [
    ...['info.dbId', 'info.versioning.*', 'server.slug'],
    // What postern does anyway: it sends the path as it came.
    'upstream.preserveTrailingSlash',
  ],
  ignored: {
    'server.detailedTracing': 'tracing is that of the host application',
    'server.eventHandlers': 'there are no event handlers; gateway.on listens to events',
    'server.contextVariables': 'plugins see the request itself',
    'server.batchProcessing': 'there is no endpoint for batches',
    'server.port': 'the host application listens',
    'upstream.serviceDiscovery': 'there is no service discovery, requests go to upstream.url',
    'upstream.uptimeTests': 'there are no uptime tests; health checks are upstream.health of a native definition',
    'upstream.tlsTransport.maxVersion': 'it is the newest version both sides have',
    'middleware.global.contextVariables': 'plugins see the request itself',
    'middleware.global.cache': 'answers are not cached',
    'middleware.global.skipQuotaReset': 'quotas are those keys are created with',
    'middleware.operations.*.cache': 'answers are not cached',
    'middleware.operations.*.trackEndpoint': 'all endpoints are recorded alike',
    'middleware.operations.*.doNotTrackEndpoint': 'all endpoints are recorded alike',
  },
  refused: {
    'info.expiration': ['a date on which the API ends', 'let a plugin at prePlugins deny from then on', expires],
    'info.state.internal': ['an internal API', 'take it out of what clients can reach'],
    'info.versioning.enabled': ['choosing a version', 'make each version an API of its own'],
    'server.authentication.hmac': ['authentication by HMAC signature', AUTH, unlessKeyless],
    'server.authentication.oidc': ['OpenID Connect', AUTH, unlessKeyless],
    'server.clientCertificates': [
      'authentication by client certificate',
      'let the host application ask for certificates',
    ],
    'server.customDomain': ['a custom domain', 'let a plugin at prePlugins look at request.host'],
    'server.ipAccessControl': [
      'a list of addresses',
      'let a plugin at prePlugins look at request.clientAddress',
      listsAddresses,
    ],
    'server.protocol': ['another protocol than HTTP', TAKE_OUT, (value) => value !== 'http' && value !== 'https'],
    'upstream.mutualTLS': ['a client certificate for the upstream', TAKE_OUT],
    'upstream.certificatePinning': ['pinned public keys', TAKE_OUT],
    'upstream.authentication': ['authentication at the upstream', REQUEST, signsIn],
    'upstream.proxy': ['a proxy on the way to the upstream', TAKE_OUT],
    'upstream.tlsTransport.ciphers': ['a choice of TLS ciphers', TAKE_OUT],
    // Node's own lower bound is 1.2.
    'upstream.tlsTransport.minVersion': [
      'a lowest version of TLS',
      TAKE_OUT,
      (value) => !/^1\.[012]$/.test(String(value)),
    ],
    'upstream.tlsTransport.forceCommonNameCheck': ['a check of common names', TAKE_OUT],
    errorOverrides: ['changed error answers', TAKE_OUT],
    ...below<Refusal>(GLOBAL, {
      cors: ['CORS', 'let the host application answer it, before the gateway'],
      transformRequestHeaders: ['changed request headers', REQUEST, addsOrRemoves],
      transformResponseHeaders: ['changed response headers', RESPONSE, addsOrRemoves],
    }),
    ...below<Refusal>('middleware', {
      mcpTools: ['MCP', TAKE_OUT],
      mcpResources: ['MCP', TAKE_OUT],
      mcpPrompts: ['MCP', TAKE_OUT],
    }),
    ...below<Refusal>(OPERATION, {
      allow: ['an allow list', 'let a plugin at prePlugins deny what is not on it'],
      block: ['a block list', 'let a plugin at postPlugins of that operation deny'],
      ignoreAuthentication: ['an endpoint without authentication', 'make it a keyless API of its own'],
      internal: ['an internal endpoint', 'let a plugin at postPlugins of that operation deny'],
      transformRequestMethod: ['a changed method', ENDPOINT],
      transformRequestBody: ['a transformed request body', ENDPOINT],
      transformResponseBody: ['a transformed response body', RESPONSE],
      transformRequestHeaders: ['changed request headers', ENDPOINT, addsOrRemoves],
      transformResponseHeaders: ['changed response headers', RESPONSE, addsOrRemoves],
      circuitBreaker: ['a circuit breaker of an endpoint', TAKE_OUT],
      urlRewrite: ['a rewritten URL', ENDPOINT],
      enforceTimeout: ['a timeout of an endpoint', TAKE_OUT],
      validateRequest: ['validation of requests', ENDPOINT],
      mockResponse: ['a mock response', 'let a plugin at postPlugins of that operation answer'],
      requestSizeLimit: ['a size limit of an endpoint', 'use requestSizeLimit of middleware.global'],
    }),
  },
}
