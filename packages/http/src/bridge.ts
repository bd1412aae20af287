/** What the adapters of Express and Koa share with the raw one. */
export { applyToHost } from './apply-to-host.ts'
export { captureResponse, headerNames, writerOf } from './capture-response.ts'
export { handle, watch } from './handle.ts'
export type { HostContext } from './handle.ts'
export { hostCall } from './host-call.ts'
export { setParsedRequest } from './request-body.ts'
export { markBrokenOff, writeResponse } from './write-response.ts'
