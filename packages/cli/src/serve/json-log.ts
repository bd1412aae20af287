import { sorted } from '../finding.ts'
import { describeApi } from './describe-api.ts'
import type { ReloadReport } from '@postern/core'
import type { Output } from '../output.ts'
import type { ServeLog } from './log.ts'

/** One JSON document on each line of stdout; `event` says what it is. */
export function jsonLog({ out }: Output): ServeLog {
  const say = (event: string, fields: object): void => {
    const ours = { time: new Date().toISOString(), event }
    // First in the line, and not to be replaced by what a plugin calls its fields; nor is the line.
    out.json({ ...ours, ...fields, ...ours, toJSON: undefined })
  }
  return {
    failed: (findings) => say('failed', { findings: sorted(findings) }),
    listening: ({ url, apis, watched }) => say('listening', { url, apis: apis.map(describeApi), watched }),
    request: (served) => say('request', served),
    reloaded: (report) => say('reload', changesOf(report)),
    notReloaded: (findings) => say('reloadError', { findings: sorted(findings) }),
    trouble: ({ event, ...fields }) => say(event, fields),
    warning: (message) => say('warning', { message }),
    plugin: ({ level, fields, message }) => say('log', { ...withErrors(fields), level, message }),
    stopping: () => say('stopping', {}),
    stopped: (cut) => say('stopped', { cut }),
  }
}

/** JSON has nothing of an error. */
function withErrors(fields: Readonly<Record<string, unknown>>, depth = 0): object {
  return Object.fromEntries(
    Object.entries(fields).map(([key, value]) => [
      key,
      value instanceof Error && depth <= MOST_CAUSES ? errorFields(value, depth) : value,
    ]),
  )
}

/** Causes may go round in a circle. */
const MOST_CAUSES = 5

function errorFields(error: Error, depth: number): object {
  const { name, message, stack, cause } = error
  const causes = cause === undefined || depth === MOST_CAUSES ? {} : withErrors({ cause }, depth + 1)
  return { ...withErrors(Object.fromEntries(Object.entries(error)), depth + 1), name, message, stack, ...causes }
}

function changesOf({ added, removed, changed, unchanged }: ReloadReport): object {
  return {
    added: added.map(({ name }) => name),
    removed: removed.map(({ name }) => name),
    changed: changed.map(({ api, keys }) => ({ name: api.name, keys })),
    unchanged,
  }
}
