import { isOn, own, type Refusal, type Vocabulary, type When } from './tyk-vocabulary.ts'
import type { Fields } from './translation.ts'
import { isFields } from './tyk-document.ts'

/** `custom_middleware`, of documents and of bundles. */
export const MIDDLEWARE_FIELDS = [
  'driver',
  ...['pre[]', 'auth_check', 'post_key_auth[]', 'post[]', 'response[]', 'traffic_logs'].flatMap((hook) =>
    ['disabled', 'name', 'path', 'code', 'require_session', 'raw_body_only'].map((field) => `${hook}.${field}`),
  ),
  ...['disabled', 'extract_from', 'extract_with'].map((field) => `id_extractor.${field}`),
  ...['header_name', 'param_name', 'regex_expression', 'regex_match_index', 'xpath_expression'].map(
    (field) => `id_extractor.extractor_config.${field}`,
  ),
]

const AUTH = 'let a plugin at custom_middleware.auth_check check it'
const ENDPOINT = 'let a go_plugin of that endpoint do it'
const REQUEST = 'let a plugin at custom_middleware.post do it'
const RESPONSE = 'let a plugin at custom_middleware.response do it'
const TAKE_OUT = 'take it out if nobody relies on it'

/** Authentication of an API that asks nobody. */
const unlessKeyless: When = (_, around) =>
  own(around.at(-1), 'use_keyless') === true ? 'without effect, the API is keyless' : true

const unless =
  (flag: string): When =>
  (_, around) =>
    own(around[0], flag) !== true

/** Lists of addresses are one feature: a switch for all, and a switch and a list for each. */
const addresses =
  (list: string): When =>
  (_, around) =>
    own(around[0], 'ip_access_control_disabled') !== true && isOn(own(around[0], list))

/** Paths beside `use_extended_paths`: those of a version count only where it says so, those of the document always. */
const ofVersion: When = (_, around) =>
  around.length === 2 || own(around[1], 'use_extended_paths') === true || 'without effect, use_extended_paths is false'

const adjustsHeaders = (entry: unknown): boolean =>
  isFields(entry) &&
  own(entry, 'disabled') !== true &&
  (isOn(own(entry, 'add_headers')) || isOn(own(entry, 'delete_headers')))

const somebodyAdjustsHeaders: When = (entries, around) =>
  Array.isArray(entries) && entries.some(adjustsHeaders) && ofVersion(entries, around)

const EXTENDED: Readonly<Record<string, Refusal>> = {
  ignored: ['an endpoint without authentication', 'make it a keyless API of its own', ofVersion],
  white_list: ['an allow list', 'let a plugin at custom_middleware.pre deny what is not on it', ofVersion],
  black_list: ['a block list', 'let a go_plugin of that endpoint deny', ofVersion],
  mock_response: ['a mock response', 'let a go_plugin of that endpoint answer', ofVersion],
  transform: ['a transformed request body', ENDPOINT, ofVersion],
  transform_jq: ['a transformed request body', ENDPOINT, ofVersion],
  transform_response: ['a transformed response body', RESPONSE, ofVersion],
  transform_jq_response: ['a transformed response body', RESPONSE, ofVersion],
  transform_headers: ['changed request headers', ENDPOINT, somebodyAdjustsHeaders],
  transform_response_headers: ['changed response headers', RESPONSE, somebodyAdjustsHeaders],
  hard_timeouts: ['a timeout of an endpoint', TAKE_OUT, ofVersion],
  circuit_breakers: ['a circuit breaker of an endpoint', TAKE_OUT, ofVersion],
  url_rewrites: ['a rewritten URL', ENDPOINT, ofVersion],
  method_transforms: ['a changed method', ENDPOINT, ofVersion],
  size_limits: ['a size limit of an endpoint', 'use global_size_limit', ofVersion],
  validate_json: ['validation of bodies', ENDPOINT, ofVersion],
  validate_request: ['validation of requests', ENDPOINT, ofVersion],
  internal: ['an internal endpoint', 'let a go_plugin of that endpoint deny', ofVersion],
  persist_graphql: ['a persisted GraphQL query', ENDPOINT, ofVersion],
}

const EXTENDED_READ = [
  ...['disabled', 'path', 'method', 'plugin_path', 'func_name'].map((field) => `go_plugin[].${field}`),
  ...['disabled', 'path', 'method', 'response_function_name', 'function_source_type', 'function_source_uri'].map(
    (field) => `virtual[].${field}`,
  ),
  ...['use_session', 'proxy_on_error'].map((field) => `virtual[].${field}`),
  ...['disabled', 'path', 'method', 'rate', 'per'].map((field) => `rate_limit[].${field}`),
]

const EXTENDED_IGNORED = {
  cache: 'answers are not cached',
  advance_cache_config: 'answers are not cached',
  track_endpoints: 'all endpoints are recorded alike',
  do_not_track_endpoints: 'all endpoints are recorded alike',
}

const VERSION = 'version_data.versions.*'
const below = <T>(prefix: string, rows: Readonly<Record<string, T>>): Record<string, T> =>
  Object.fromEntries(Object.entries(rows).map(([path, row]) => [`${prefix}.${path}`, row]))

const everywhere = [`${VERSION}.extended_paths`, 'extended_paths']

const KEY_SOURCES = ['auth', 'auth_configs.*'].flatMap((source) =>
  ['auth_header_name', 'disable_header', 'use_param', 'param_name', 'use_cookie', 'cookie_name', 'use_certificate']
    .concat('validate_signature')
    .map((field) => `${source}.${field}`),
)

const expires: When = (value) => value !== '-1'

/** Node's own lower bound is TLS 1.2, which is 771 there. */
const aboveTls12: When = (value) => typeof value !== 'number' || value > 771

const processesSomething: When = (processors) =>
  !Array.isArray(processors) || processors.some((processor) => isFields(processor) && isOn(own(processor, 'options')))

const signsIn: When = (value) => isFields(value) && (isOn(own(value, 'basic_auth')) || isOn(own(value, 'oauth')))

const alternatives: When = (value) => !Array.isArray(value) || value.length > 1

const oldPaths: When = (_, around: readonly Fields[]) => own(around[0], 'use_extended_paths') !== true

/** Every field of a Classic document: what becomes of it. */
export const CLASSIC: Vocabulary = {
  read: [
    ...['name', 'api_id', 'org_id', 'active', 'use_keyless', 'use_standard_auth'],
    ...['custom_plugin_auth_enabled', 'use_go_plugin_auth', 'enable_coprocess_auth', 'base_identity_provided_by'],
    ...['strip_auth_data', 'session_lifetime', 'session_lifetime_disabled', 'session_lifetime_respects_key_expiration'],
    ...['disable_rate_limit', 'disable_quota', 'custom_middleware_bundle', 'custom_middleware_bundle_disabled'],
    ...['config_data', 'config_data_disabled', 'do_not_track', 'tags', 'tags_disabled', 'tag_headers'],
    ...['enable_detailed_recording', 'expire_analytics_after', 'disable_expire_analytics'],
    ...['enable', 'plugin_path', 'func_name'].map((field) => `analytics_plugin.${field}`),
    ...['disabled', 'rate', 'per'].map((field) => `global_rate_limit.${field}`),
    ...KEY_SOURCES,
    ...MIDDLEWARE_FIELDS.map((field) => `custom_middleware.${field}`),
    ...[
      'listen_path',
      'strip_listen_path',
      'target_url',
      'preserve_host_header',
      'enable_load_balancing',
      'target_list',
    ]
      .concat('transport.ssl_insecure_skip_verify')
      .map((field) => `proxy.${field}`),
    ...['not_versioned', 'default_version'].map((field) => `version_data.${field}`),
    ...['name', 'use_extended_paths', 'ignore_endpoint_case', 'global_size_limit', 'global_size_limit_disabled'].map(
      (field) => `${VERSION}.${field}`,
    ),
    ...everywhere.flatMap((paths) => EXTENDED_READ.map((field) => `${paths}.${field}`)),
  ],
  silent: [
    ...['id', 'slug', 'is_oas', 'version_name', 'contextRef', 'auth_provider', 'session_provider'],
    // Settings of what is refused when it is switched on.
    ...[
      'basic_auth',
      'openid_options',
      'oauth_meta',
      'scopes',
      'idp_client_id_mapping_disabled',
      'client_certificates',
    ],
    ...['jwt_signing_method', 'jwt_source', 'jwt_jwks_uris', 'jwt_identity_base_field', 'jwt_client_base_field'],
    ...['jwt_policy_field_name', 'jwt_default_policies', 'jwt_issued_at_validation_skew', 'jwt_skip_kid'],
    ...['jwt_expires_at_validation_skew', 'jwt_not_before_validation_skew', 'jwt_scope_to_policy_mapping'],
    ...['jwt_disable_issued_at_validation', 'jwt_disable_expires_at_validation', 'jwt_disable_not_before_validation'],
    ...['jwt_scope_claim_name', 'hmac_allowed_clock_skew', 'hmac_allowed_algorithms', 'client_certificate_refs'],
    ...['allowed_ips', 'blacklisted_ips', 'ip_access_control_disabled', 'domain_disabled', 'error_overrides_disabled'],
    ...['upstream_certificates_disabled', 'certificate_pinning_disabled', 'definition.*'],
    ...['name', 'signature'].flatMap((field) => [`auth.${field}`, `auth_configs.*.${field}`]),
    // What postern does anyway: it sends the path as it came.
    ...['proxy.disable_strip_slash', 'proxy.service_discovery.*'],
    ...['global_headers_disabled', 'global_response_headers_disabled'].map((field) => `${VERSION}.${field}`),
  ],
  ignored: {
    is_site: 'there is no portal',
    hook_references: 'there are no webhooks; gateway.on listens to events',
    event_handlers: 'there are no event handlers; gateway.on listens to events',
    notifications: 'there are no notifications; gateway.on listens to events',
    uptime_tests: 'there are no uptime tests; health checks are upstream.health of a native definition',
    check_host_against_uptime_tests: 'there are no uptime tests',
    cache_options: 'answers are not cached',
    enable_batch_request_support: 'there is no endpoint for batches',
    enable_context_vars: 'plugins see the request itself',
    detailed_tracing: 'tracing is that of the host application',
    dont_set_quota_on_create: 'quotas are those keys are created with',
    listen_port: 'the host application listens',
    enable_proxy_protocol: 'the host application listens',
    certificates: 'the host application listens',
    certificate_secret_names: 'the host application listens',
    security_requirement_scopes: 'scopes are not looked at',
    'proxy.check_host_against_uptime_tests': 'there are no uptime tests',
    'proxy.service_discovery.use_discovery_service': 'there is no service discovery, requests go to proxy.target_url',
    'proxy.transport.ssl_max_version': 'it is the newest version both sides have',
    ...Object.assign({}, ...everywhere.map((paths) => below(paths, EXTENDED_IGNORED))),
  } as Record<string, string>,
  refused: {
    enable_jwt: ['authentication by JWT', AUTH, unlessKeyless],
    use_basic_auth: ['basic authentication', AUTH, unlessKeyless],
    use_oauth2: ['OAuth 2', AUTH, unlessKeyless],
    use_openid: ['OpenID Connect', AUTH, unlessKeyless],
    external_oauth: ['external OAuth', AUTH, unlessKeyless],
    enable_signature_checking: ['authentication by HMAC signature', AUTH, unlessKeyless],
    use_mutual_tls_auth: ['authentication by client certificate', 'let the host application ask for certificates'],
    security_requirements: ['a choice of ways to authenticate', AUTH, alternatives],
    enable_ip_whitelisting: [
      'a list of allowed addresses',
      'let a plugin at custom_middleware.pre look at request.clientAddress',
      addresses('allowed_ips'),
    ],
    enable_ip_blacklisting: [
      'a list of blocked addresses',
      'let a plugin at custom_middleware.pre look at request.clientAddress',
      addresses('blacklisted_ips'),
    ],
    domain: [
      'a custom domain',
      'let a plugin at custom_middleware.pre look at request.host',
      unless('domain_disabled'),
    ],
    internal: ['an internal API', 'take it out of what clients can reach'],
    protocol: ['another protocol than HTTP', TAKE_OUT, (value) => value !== 'http' && value !== 'https'],
    expiration: ['a date on which the API ends', 'let a plugin at custom_middleware.pre deny from then on', expires],
    CORS: ['CORS', 'let the host application answer it, before the gateway'],
    graphql: ['GraphQL', TAKE_OUT],
    application_protocol: ['an application protocol', TAKE_OUT],
    json_rpc_version: ['JSON-RPC', TAKE_OUT],
    response_processors: ['a response processor', RESPONSE, processesSomething],
    request_signing: ['signed requests', REQUEST],
    upstream_auth: ['authentication at the upstream', REQUEST, signsIn],
    upstream_certificates: [
      'a client certificate for the upstream',
      TAKE_OUT,
      unless('upstream_certificates_disabled'),
    ],
    upstream_certificate_refs: ['a client certificate for the upstream', TAKE_OUT],
    pinned_public_keys: ['pinned public keys', TAKE_OUT, unless('certificate_pinning_disabled')],
    pinned_public_keys_refs: ['pinned public keys', TAKE_OUT],
    error_overrides: ['changed error answers', TAKE_OUT, unless('error_overrides_disabled')],
    'definition.enabled': ['choosing a version', 'make each version an API of its own'],
    'proxy.transport.ssl_ciphers': ['a choice of TLS ciphers', TAKE_OUT],
    'proxy.transport.ssl_min_version': ['a lowest version of TLS', TAKE_OUT, aboveTls12],
    'proxy.transport.ssl_force_common_name_check': ['a check of common names', TAKE_OUT],
    'proxy.transport.proxy_url': ['a proxy on the way to the upstream', TAKE_OUT],
    ...below(VERSION, {
      expires: ['a date on which the version ends', 'let a plugin at custom_middleware.pre deny from then on', expires],
      paths: ['a list of allowed, blocked or ignored paths', 'let a plugin at custom_middleware.pre deny', oldPaths],
      global_headers: ['changed request headers', REQUEST, unless('global_headers_disabled')],
      global_headers_remove: ['changed request headers', REQUEST, unless('global_headers_disabled')],
      global_response_headers: ['changed response headers', RESPONSE, unless('global_response_headers_disabled')],
      global_response_headers_remove: [
        'changed response headers',
        RESPONSE,
        unless('global_response_headers_disabled'),
      ],
      override_target: ['an upstream of a version', 'write it in proxy.target_url'],
    } satisfies Record<string, Refusal>),
    ...(Object.assign({}, ...everywhere.map((paths) => below(paths, EXTENDED))) as Record<string, Refusal>),
  },
}
