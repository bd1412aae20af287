/** Spans and metrics of OpenTelemetry for what gateways do. */
export { openTelemetry } from './open-telemetry.ts'
export type { OpenTelemetryOptions } from './open-telemetry.ts'
