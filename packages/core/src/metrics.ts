/** Numbers about what gateways do, for those who collect them. */
export { pluginMetrics } from './metrics/plugin-metrics.ts'
export type { PluginMetricTags, SendMetric } from './metrics/plugin-metrics.ts'
export { prometheus } from './metrics/prometheus.ts'
export type { PrometheusMetrics, PrometheusOptions } from './metrics/prometheus.ts'
