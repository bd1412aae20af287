import { BASELINE, ratioOf } from './ratios-of.ts'
import type { HttpResults } from './results.ts'

const PANELS = { get: 'small GET', post: 'POST 1 KiB', large: '100 KiB response' } as const

/** Who is shown, from the top. */
export const SHOWN = [
  'nginx',
  'postern-http',
  'postern-http-guard',
  'postern-koa-guard',
  'postern-express-guard',
  'node-proxy',
  'fastify',
  'fast-gateway',
  'http-proxy-3',
  'http-proxy-3-koa',
  'http-proxy-3-express',
  'hpm',
] as const

const LABEL_WIDTH = 300
const PANEL_WIDTH = 190
const BAR_WIDTH = 130
const ROW = 24
const TOP = 62

/** Bars of requests per second, as multiples of http-proxy-3: three workloads side by side, for light and dark pages. */
export function chart(results: HttpResults): string {
  const shown = SHOWN.filter((name) => ratioOf(results, 'get', name) !== undefined)
  const width = LABEL_WIDTH + 3 * PANEL_WIDTH + 10
  const height = TOP + shown.length * ROW + 14
  const labels = shown.map((name, row) =>
    text(LABEL_WIDTH - 10, middle(row), results.labels[name] ?? name, `label${kind(name)}`),
  )
  const panels = Object.entries(PANELS).flatMap(([workload, title], column) =>
    panel(results, shown, workload, title, LABEL_WIDTH + column * PANEL_WIDTH),
  )
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="Requests per second as multiples of http-proxy-3 with a keep-alive agent">
<style>
  text { font: 12px system-ui, sans-serif; fill: #1f2328; dominant-baseline: central }
  .page { fill: #ffffff }
  .title { font-weight: 600 }
  .note { fill: #59636e }
  .label { text-anchor: end }
  .value { paint-order: stroke; stroke: #ffffff; stroke-width: 4px }
  text.own { font-weight: 600 }
  .bar { fill: #afb8c1 }
  .bar.base { fill: #59636e }
  .bar.own { fill: #0969da }
  .one { stroke: #59636e; stroke-dasharray: 2 3 }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 }
    .page { fill: #0d1117 }
    .note { fill: #9198a1 }
    .bar { fill: #484f58 }
    .bar.base { fill: #9198a1 }
    .bar.own { fill: #4493f8 }
    .value { stroke: #0d1117 }
    .one { stroke: #9198a1 }
  }
</style>
<rect class="page" width="${width}" height="${height}" rx="6"/>
${text(14, 18, 'Requests per second as multiples of http-proxy-3 (keep-alive); more is better', 'note')}
${[...labels, ...panels].join('\n')}
</svg>
`
}

function panel(results: HttpResults, shown: readonly string[], workload: string, title: string, x: number): string[] {
  const ratios = shown.map((name) => ratioOf(results, workload, name)?.median)
  const scale = BAR_WIDTH / Math.max(...ratios.map((ratio) => ratio ?? 0), 1)
  const one = x + scale
  return [
    text(x, 44, title, 'title'),
    `<line class="one" x1="${one.toFixed(1)}" x2="${one.toFixed(1)}" y1="${TOP - 4}" y2="${TOP + shown.length * ROW + 4}"/>`,
    ...shown.flatMap((name, row) => {
      const ratio = ratios[row]
      if (ratio === undefined) return []
      const length = Math.max(1, ratio * scale)
      const bar = `<rect class="bar${kind(name)}" x="${x}" y="${TOP + row * ROW + 4}" width="${length.toFixed(1)}" height="${ROW - 8}" rx="2"/>`
      return [bar, text(x + length + 6, middle(row), ratio.toFixed(2), `value${kind(name)}`)]
    }),
  ]
}

function kind(name: string): string {
  if (name === BASELINE) return ' base'
  return name.startsWith('postern') ? ' own' : ''
}

function middle(row: number): number {
  return TOP + row * ROW + ROW / 2
}

function text(x: number, y: number, words: string, style: string): string {
  const escaped = words.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
  return `<text class="${style}" x="${Number(x.toFixed(1))}" y="${y}">${escaped}</text>`
}
