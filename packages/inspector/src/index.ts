/** A page that shows what a gateway does: its chains as they run, and its requests as they happen. */
export { createInspector } from './inspector.ts'
export type { Inspector, InspectorOptions } from './inspector.ts'
