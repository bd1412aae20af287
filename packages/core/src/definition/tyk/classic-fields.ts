import { type Fields, isFields } from '../../fields.ts'
import { endsInOurTime, isOn, own, type Vocabulary, type When } from './vocabulary.ts'

/** Of documents and of bundles. */
export const MIDDLEWARE_FIELDS = `
  custom_middleware.driver
  custom_middleware.{pre[],auth_check,post_key_auth[],post[],response[]}.{disabled,name,path,code}
  custom_middleware.{pre[],auth_check,post_key_auth[],post[],response[]}.{require_session,raw_body_only}
  custom_middleware.traffic_logs.{disabled,name,path,code,require_session,raw_body_only}
  custom_middleware.id_extractor.{disabled,extract_from,extract_with}
  custom_middleware.id_extractor.extractor_config.{header_name,param_name,regex_expression,regex_match_index}
  custom_middleware.id_extractor.extractor_config.xpath_expression`

const AUTH = 'let a plugin at custom_middleware.auth_check check it'
const ENDPOINT = 'let a go_plugin of that endpoint do it'
const REQUEST = 'let a plugin at custom_middleware.post do it'
const RESPONSE = 'let a plugin at custom_middleware.response do it'
const DENY = 'let a plugin at custom_middleware.pre deny'
const DATE = 'let a plugin at custom_middleware.pre deny from then on'
const ADDRESS = 'let a plugin at custom_middleware.pre look at request.clientAddress'
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
    own(around[0], 'ip_access_control_disabled') !== true && isOn(own(around[0], list), 'disabled')

/** Paths beside `use_extended_paths`: those of a version count only where it says so, those of the document always. */
const ofVersion: When = (_, around) =>
  around.length === 2 || own(around[1], 'use_extended_paths') === true || 'without effect, use_extended_paths is false'

const adjustsHeaders = (entry: unknown): boolean =>
  isFields(entry) &&
  own(entry, 'disabled') !== true &&
  (isOn(own(entry, 'add_headers'), 'disabled') || isOn(own(entry, 'delete_headers'), 'disabled'))

const somebodyAdjustsHeaders: When = (entries, around) =>
  Array.isArray(entries) && entries.some(adjustsHeaders) && ofVersion(entries, around)

const VERSION = 'version_data.versions.*'
const EXTENDED = `{${VERSION}.,}extended_paths`

/** Node's own lower bound is TLS 1.2, which is 771 there. */
const aboveTls12: When = (value) => typeof value !== 'number' || value > 771

const processesSomething: When = (processors) =>
  !Array.isArray(processors) ||
  processors.some((processor) => isFields(processor) && isOn(own(processor, 'options'), 'disabled'))

const signsIn: When = (value) =>
  isFields(value) && (isOn(own(value, 'basic_auth'), 'disabled') || isOn(own(value, 'oauth'), 'disabled'))

const alternatives: When = (value) => !Array.isArray(value) || value.length > 1

const oldPaths: When = (_, around: readonly Fields[]) => own(around[0], 'use_extended_paths') !== true

/** Every field of a Classic document: what becomes of it. */
export const CLASSIC: Vocabulary = {
  off: 'disabled',
  read: `
    name api_id org_id active use_keyless use_standard_auth
    custom_plugin_auth_enabled use_go_plugin_auth enable_coprocess_auth base_identity_provided_by strip_auth_data
    session_lifetime session_lifetime_disabled session_lifetime_respects_key_expiration
    disable_rate_limit disable_quota global_rate_limit.{disabled,rate,per}
    ${MIDDLEWARE_FIELDS} custom_middleware_bundle custom_middleware_bundle_disabled
    config_data config_data_disabled
    do_not_track tags tags_disabled tag_headers enable_detailed_recording
    expire_analytics_after disable_expire_analytics analytics_plugin.{enable,plugin_path,func_name}
    {auth,auth_configs.*}.{auth_header_name,disable_header,use_param,param_name,use_cookie,cookie_name}
    {auth,auth_configs.*}.{use_certificate,validate_signature}
    proxy.{listen_path,strip_listen_path,target_url,preserve_host_header,enable_load_balancing,target_list}
    proxy.transport.ssl_insecure_skip_verify
    version_data.{not_versioned,default_version}
    ${VERSION}.{name,use_extended_paths,ignore_endpoint_case,global_size_limit,global_size_limit_disabled}
    ${EXTENDED}.go_plugin[].{disabled,path,method,plugin_path,func_name}
    ${EXTENDED}.virtual[].{disabled,path,method,use_session,proxy_on_error}
    ${EXTENDED}.virtual[].{response_function_name,function_source_type,function_source_uri}
    ${EXTENDED}.rate_limit[].{disabled,path,method,rate,per}
    ${EXTENDED}.{track_endpoints,do_not_track_endpoints}[].{disabled,path,method}`,

  // Names; settings of what is refused when it is switched on; and what postern does anyway.
  silent: `
    id slug is_oas version_name enable_context_vars uptime_tests.{disabled,config} contextRef auth_provider session_provider security_processing_mode
    {auth,auth_configs.*}.{name,signature}
    basic_auth openid_options oauth_meta scopes idp_client_id_mapping_disabled client_certificates client_certificate_refs
    jwt_{signing_method,source,jwks_uris,identity_base_field,client_base_field,policy_field_name,default_policies}
    jwt_{issued_at,expires_at,not_before}_validation_skew jwt_disable_{issued_at,expires_at,not_before}_validation
    jwt_{skip_kid,scope_to_policy_mapping,scope_claim_name} hmac_allowed_{clock_skew,algorithms}
    allowed_ips blacklisted_ips ip_access_control_disabled domain_disabled error_overrides_disabled
    upstream_certificates_disabled certificate_pinning_disabled definition.*
    proxy.disable_strip_slash proxy.service_discovery.*
    ${VERSION}.{global_headers_disabled,global_response_headers_disabled}`,

  ignored: {
    is_site: 'there is no portal',
    hook_references: 'there are no webhooks; gateway.on listens to events',
    event_handlers: 'there are no event handlers; gateway.on listens to events',
    notifications: 'there are no notifications; gateway.on listens to events',
    'uptime_tests.check_list': 'there are no uptime tests; upstream.health of a native definition checks targets',
    '{proxy.,}check_host_against_uptime_tests': 'there are no uptime tests',
    cache_options: 'answers are not cached',
    enable_batch_request_support: 'there is no endpoint for batches',
    detailed_tracing: 'tracing is that of the host application',
    dont_set_quota_on_create: 'quotas are those keys are created with',
    '{listen_port,enable_proxy_protocol,certificates,certificate_secret_names}': 'the host application listens',
    security_requirement_scopes: 'scopes are not looked at',
    'proxy.service_discovery.use_discovery_service': 'there is no service discovery; requests go to proxy.target_url',
    'proxy.transport.ssl_max_version': 'it is the newest version both sides have',
    [`${EXTENDED}.{cache,advance_cache_config}`]: 'answers are not cached',
  },

  refused: {
    enable_jwt: ['authentication by JWT', AUTH, unlessKeyless],
    use_basic_auth: ['basic authentication', AUTH, unlessKeyless],
    use_oauth2: ['OAuth 2', AUTH, unlessKeyless],
    use_openid: ['OpenID Connect', AUTH, unlessKeyless],
    external_oauth: ['external OAuth', AUTH, unlessKeyless],
    enable_signature_checking: ['authentication by HMAC signature', AUTH, unlessKeyless],
    use_mutual_tls_auth: ['authentication by client certificate', 'let the host application ask for certificates'],
    security_requirements: ['a choice of ways to authenticate', AUTH, alternatives],
    enable_ip_whitelisting: ['a list of allowed addresses', ADDRESS, addresses('allowed_ips')],
    enable_ip_blacklisting: ['a list of blocked addresses', ADDRESS, addresses('blacklisted_ips')],
    domain: [
      'a custom domain',
      'let a plugin at custom_middleware.pre look at request.host',
      unless('domain_disabled'),
    ],
    internal: ['an internal API', 'take it out of what clients can reach'],
    protocol: ['another protocol than HTTP', TAKE_OUT, (value) => value !== 'http' && value !== 'https'],
    expiration: ['a date on which the API ends', DATE, endsInOurTime],
    CORS: ['CORS', 'let the host application answer it, before the gateway'],
    graphql: ['GraphQL', TAKE_OUT],
    application_protocol: ['an application protocol', TAKE_OUT],
    json_rpc_version: ['JSON-RPC', TAKE_OUT],
    response_processors: ['a response processor', RESPONSE, processesSomething],
    request_signing: ['signing of requests', REQUEST],
    upstream_auth: ['authentication at the upstream', REQUEST, signsIn],
    upstream_certificates: [
      'a client certificate for the upstream',
      TAKE_OUT,
      unless('upstream_certificates_disabled'),
    ],
    upstream_certificate_refs: ['a client certificate for the upstream', TAKE_OUT],
    pinned_public_keys: ['pinning of public keys', TAKE_OUT, unless('certificate_pinning_disabled')],
    pinned_public_keys_refs: ['pinning of public keys', TAKE_OUT],
    error_overrides: ['changing error answers', TAKE_OUT, unless('error_overrides_disabled')],
    'definition.enabled': ['choosing a version', 'make each version an API of its own'],
    'proxy.transport.ssl_ciphers': ['a choice of TLS ciphers', TAKE_OUT],
    'proxy.transport.ssl_min_version': ['a lowest version of TLS', TAKE_OUT, aboveTls12],
    'proxy.transport.ssl_force_common_name_check': ['a check of common names', TAKE_OUT],
    'proxy.transport.proxy_url': ['a proxy on the way to the upstream', TAKE_OUT],
    [`${VERSION}.expires`]: ['a date on which the version ends', DATE, endsInOurTime],
    [`${VERSION}.paths`]: ['a list of allowed, blocked or ignored paths', DENY, oldPaths],
    [`${VERSION}.{global_headers,global_headers_remove}`]: [
      'changing request headers',
      REQUEST,
      unless('global_headers_disabled'),
    ],
    [`${VERSION}.{global_response_headers,global_response_headers_remove}`]: [
      'changing response headers',
      RESPONSE,
      unless('global_response_headers_disabled'),
    ],
    [`${VERSION}.override_target`]: ['an upstream of a version', 'write it in proxy.target_url'],
    [`${EXTENDED}.ignored`]: ['an endpoint without authentication', 'make it a keyless API of its own', ofVersion],
    [`${EXTENDED}.white_list`]: ['an allow list', DENY, ofVersion],
    [`${EXTENDED}.black_list`]: ['a block list', DENY, ofVersion],
    [`${EXTENDED}.internal`]: ['an internal endpoint', DENY, ofVersion],
    [`${EXTENDED}.mock_response`]: ['a mock response', 'let a go_plugin of that endpoint answer', ofVersion],
    [`${EXTENDED}.{transform,transform_jq}`]: ['transforming request bodies', ENDPOINT, ofVersion],
    [`${EXTENDED}.{transform_response,transform_jq_response}`]: ['transforming response bodies', RESPONSE, ofVersion],
    [`${EXTENDED}.transform_headers`]: ['changing request headers', ENDPOINT, somebodyAdjustsHeaders],
    [`${EXTENDED}.transform_response_headers`]: ['changing response headers', RESPONSE, somebodyAdjustsHeaders],
    [`${EXTENDED}.hard_timeouts`]: ['a timeout of an endpoint', TAKE_OUT, ofVersion],
    [`${EXTENDED}.circuit_breakers`]: ['a circuit breaker of an endpoint', TAKE_OUT, ofVersion],
    [`${EXTENDED}.url_rewrites`]: ['rewriting URLs', ENDPOINT, ofVersion],
    [`${EXTENDED}.method_transforms`]: ['changing methods', ENDPOINT, ofVersion],
    [`${EXTENDED}.size_limits`]: ['a size limit of an endpoint', 'use global_size_limit', ofVersion],
    [`${EXTENDED}.validate_json`]: ['validation of bodies', ENDPOINT, ofVersion],
    [`${EXTENDED}.validate_request`]: ['validation of requests', ENDPOINT, ofVersion],
    [`${EXTENDED}.persist_graphql`]: ['a persisted GraphQL query', ENDPOINT, ofVersion],
  },
}
