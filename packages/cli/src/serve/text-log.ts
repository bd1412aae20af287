import { inspect } from 'node:util'
import type { ReloadReport } from '@postern/core'
import { type Channel, type Output, onOneLine } from '../output.ts'
import { report } from '../report.ts'
import { describeApi } from './describe-api.ts'
import type { Listening, PluginLine, Served, ServeLog } from './log.ts'
import { timeOfDay } from './log.ts'

/** Lines for people: what happens on stdout, what goes wrong on stderr. */
export function textLog({ out, err }: Output): ServeLog {
  return {
    failed: (findings) => report(err, findings),
    listening: (listening) => showListening(out, listening),
    request: (served) => showRequest(out, served),
    reloaded: (changes) => out.line(`${stamp(out)} ${out.paint('green', 'reloaded')} ${changesText(changes)}`),
    notReloaded(findings) {
      err.line(`${stamp(err)} ${err.paint('red', 'not reloaded')}, the previous version keeps serving:`)
      report(err, findings)
    },
    trouble({ api, what, message, at, again }) {
      const where = at === undefined ? '' : ` at ${at}`
      const times = again === undefined ? '' : ` (${again.toLocaleString('en')} more)`
      err.line(
        `${stamp(err)} ${err.paint('red', 'error')} ${onOneLine(`${what} of "${api}": ${message}${where}${times}`)}`,
      )
    },
    warning: (message) => err.line(`${stamp(err)} ${err.paint('yellow', 'warning')} ${onOneLine(message)}`),
    plugin: (line) => showPluginLine(line.level === 'info' ? out : err, line),
    stopping: () => out.line(`${stamp(out)} stopping; once more ends it at once`),
    stopped(cut) {
      if (cut > 0) err.line(`${stamp(err)} ${cut} ${cut === 1 ? 'answer was' : 'answers were'} cut`)
    },
  }
}

function stamp(channel: Channel): string {
  return channel.paint('dim', timeOfDay())
}

function showListening(out: Channel, { url, apis, watched }: Listening): void {
  out.line(`postern listens on ${out.paint('bold', url)}`)
  const width = Math.max(...apis.map(({ name }) => name.length))
  for (const api of apis) {
    const { name, listenPath, upstream, hooks, endpoints } = describeApi(api)
    const target = upstream.length === 0 ? 'no upstream' : upstream.join(', ')
    out.line(`  ${out.paint('cyan', onOneLine(name.padEnd(width)))}  ${onOneLine(`${listenPath} -> ${target}`)}`)
    for (const [what, plugins] of Object.entries({ ...hooks, ...endpoints }))
      out.line(`  ${' '.repeat(width)}  ${out.paint('dim', onOneLine(what))} ${onOneLine(plugins.join(' > '))}`)
  }
  if (watched.length > 0) out.line(out.paint('dim', onOneLine(`watches ${watched.join(', ')}`)))
}

function showRequest(out: Channel, { method, path, status, ms, api }: Served): void {
  const code = out.paint(colourOf(status), status === undefined ? '---' : String(status))
  const end = api === undefined ? '' : ` ${out.paint('cyan', onOneLine(api))}`
  out.line(`${stamp(out)} ${method.padEnd(6)} ${onOneLine(path)} ${code} ${ms.toFixed(1)} ms${end}`)
}

const LEVELS = { info: 'green', warn: 'yellow', error: 'red' } as const

function showPluginLine(channel: Channel, { level, fields, message }: PluginLine): void {
  const { api, hook: _, plugin, requestId: __, ...others } = fields
  const more =
    Object.keys(others).length === 0 ? '' : ` ${inspect(others, { breakLength: Infinity, compact: true, depth: 3 })}`
  const who = channel.paint('cyan', onOneLine(`${String(api)} ${String(plugin)}`))
  channel.line(`${stamp(channel)} ${channel.paint(LEVELS[level], level)} ${who} ${onOneLine(message + more)}`)
}

function colourOf(status: number | undefined): 'green' | 'cyan' | 'yellow' | 'red' {
  if (status === undefined || status >= 500) return 'red'
  if (status >= 400) return 'yellow'
  return status >= 300 ? 'cyan' : 'green'
}

function changesText({ added, removed, changed, unchanged }: ReloadReport): string {
  const lists = [
    ['added', added.map(({ name }) => name)],
    ['removed', removed.map(({ name }) => name)],
    ['changed', changed.map(({ api, keys }) => (keys.length === 0 ? api.name : `${api.name} (${keys.join(', ')})`))],
  ] as const
  const said = lists.filter(([, names]) => names.length > 0).map(([what, names]) => `${what} ${names.join(', ')}`)
  return onOneLine([...said, ...(unchanged > 0 ? [`${unchanged} unchanged`] : [])].join('; '))
}
