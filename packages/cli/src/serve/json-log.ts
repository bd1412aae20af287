import { sorted } from '../finding.ts'
import { describeApi } from './describe-api.ts'
import type { Changes, LogChannels, ServeLog } from './log.ts'

/** One JSON document on each line of stdout; `event` says what it is. */
export function jsonLog({ out, requests }: LogChannels): ServeLog {
  const say = (event: string, fields: object): void => out.json({ time: new Date().toISOString(), event, ...fields })
  return {
    listening: ({ url, apis, watched }) => say('listening', { url, apis: apis.map(describeApi), watched }),
    request: (served) => (requests ? say('request', served) : undefined),
    reloaded: (changes) => say('reload', namesOf(changes)),
    notReloaded: (findings) => say('reloadError', { findings: sorted(findings) }),
    trouble: ({ event, ...fields }) => say(event, fields),
    plugin: ({ level, fields, message }) => say('log', { level, ...fields, message }),
    stopping: () => say('stopping', {}),
    stopped: (cut) => say('stopped', { cut }),
  }
}

function namesOf({ added, removed, changed, unchanged }: Changes): object {
  const lists = { added, removed, changed, unchanged }
  return Object.fromEntries(Object.entries(lists).map(([list, apis]) => [list, apis.map(({ name }) => name)]))
}
