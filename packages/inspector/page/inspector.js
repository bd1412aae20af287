'use strict'
/* Everything that is shown is set as text: a path or a header never becomes markup. */

const byId = (id) => document.getElementById(id)
const rows = new Map()
let capacity = 200
let source
let words = []
let apisText = ''
let eventsText = ''

function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag)
  for (const [name, value] of Object.entries(properties)) {
    if (name === 'class') element.className = value
    else element.setAttribute(name, value)
  }
  element.append(...children)
  return element
}

const milliseconds = (ms) => (ms >= 9_950 ? `${(ms / 1000).toFixed(1)} s` : `${ms.toFixed(ms < 9.95 ? 1 : 0)} ms`)
const clock = (time) => new Date(time).toLocaleTimeString('en-GB')

/* -- the stream -- */

function say(state, text) {
  const element = byId('state')
  if (element.textContent === text) return
  element.dataset.state = state
  element.textContent = text
}

function connect() {
  if (source !== undefined || document.hidden) return
  source = new EventSource('?events')
  source.addEventListener('all', ({ data }) => {
    const all = JSON.parse(data)
    capacity = all.capacity
    rows.clear()
    byId('list').replaceChildren()
    say('live', 'live')
    show(all)
  })
  source.addEventListener('news', ({ data }) => show(JSON.parse(data)))
  source.addEventListener('error', () => {
    say('lost', source?.readyState === EventSource.CLOSED ? 'refused: reload the page' : 'lost, trying again')
  })
}

function disconnect(text) {
  source?.close()
  source = undefined
  say('waiting', text)
}

document.addEventListener('visibilitychange', () => {
  if (document.hidden) disconnect('paused')
  else connect()
})

function show({ apis, seconds, open, ended, refusals, events, requests }) {
  showApis(apis)
  showVitals(seconds, open)
  showRefusals(refusals)
  showEvents(events)
  for (const request of requests) showRequest(request)
  const list = byId('list')
  while (list.children.length > capacity) {
    rows.delete(Number(list.lastElementChild.dataset.n))
    list.lastElementChild.remove()
  }
  countShown(ended)
}

/* -- the top line -- */

function showVitals(seconds, open) {
  const last = seconds.at(-1) ?? { worst: 0 }
  const lately = seconds.slice(-5)
  const rate = lately.reduce((sum, { requests }) => sum + requests, 0) / Math.max(1, lately.length)
  byId('rate').textContent = rate.toFixed(rate < 9.95 ? 1 : 0)
  byId('open').textContent = String(open)
  byId('delay').textContent = last.worst.toFixed(last.worst < 9.95 ? 1 : 0)
  drawLine(
    byId('rate-line'),
    seconds.map((second) => second.requests),
    seconds.map((second) => second.bad > 0),
    1,
  )
  drawLine(
    byId('delay-line'),
    seconds.map((second) => second.worst),
    [],
    10,
  )
}

/** A line as high as a word; `marks` are seconds in which something went wrong. */
function drawLine(svg, values, marks, least) {
  const [width, height, most] = [120, 18, Math.max(least, ...values)]
  const x = (i) => width - (values.length - 1 - i)
  const y = (value) => height - 1 - (value / most) * (height - 3)
  const points = values.map((value, i) => `${x(i)},${y(value).toFixed(1)}`).join(' ')
  const shape = (tag, attributes) => {
    const element = document.createElementNS('http://www.w3.org/2000/svg', tag)
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value))
    return element
  }
  svg.setAttribute('viewBox', `0 0 ${width} ${height}`)
  svg.replaceChildren(
    shape('polyline', { class: 'line', points }),
    ...marks.flatMap((bad, i) => (bad ? [shape('circle', { class: 'bad', cx: x(i), cy: y(values[i]), r: 1.3 })] : [])),
    ...(values.length > 0 ? [shape('circle', { class: 'end', cx: width, cy: y(values.at(-1)), r: 1.6 })] : []),
  )
}

/* -- APIs -- */

function showApis(apis) {
  const text = JSON.stringify(apis)
  if (text === apisText) return
  apisText = text
  byId('apis').replaceChildren(...apis.map(drawApi))
  filterEndpoints()
}

function drawApi(api) {
  // What is not there does not run: the chain is what is left.
  const steps = api.steps
    .filter(({ plugins, why, kind }) => kind === 'check' || plugins.length > 0 || why !== 'none defined')
    .map((step) => {
      const item = make(
        'li',
        { class: `${step.kind}${step.plugins.length > 0 ? ' has' : ''}` },
        make('span', {}, step.name),
      )
      const plugins = step.plugins.flatMap((plugin, i) => [...(i === 0 ? [] : [' → ']), make('code', {}, plugin)])
      const what = make('span', {}, ...plugins)
      if (step.why !== '') what.append(make('span', { class: 'why' }, `${plugins.length > 0 ? '  ' : ''}${step.why}`))
      item.append(what)
      if (step.name === 'endpoint' && api.endpoints.length > 0) {
        item.classList.add('has')
        item.append(drawEndpoints(api.endpoints))
      }
      if (step.name === 'upstream' && api.upstream.targets.length > 0) {
        item.classList.add('has')
        what.replaceChildren(...api.upstream.targets.map((target) => drawTarget(target, api.upstream)))
      }
      return item
    })
  const heading = make('h3', {}, api.name, make('code', {}, api.listenPath))
  return make('article', { class: 'api' }, heading, make('ol', { class: 'chain' }, ...steps))
}

function drawEndpoints(endpoints) {
  const items = endpoints.map(({ key, plugins }) => {
    const item = make('li', {}, make('code', {}, key), make('span', { class: 'why' }, ` ${plugins.join(' → ')}`))
    item.dataset.text = `${key} ${plugins.join(' ')}`.toLowerCase()
    return item
  })
  return make('ul', { class: 'tree' }, ...items)
}

function drawTarget({ url, weight, healthy, breaker }, { targets }) {
  const facts = [
    ...(targets.length > 1 ? [`weight ${weight}`] : []),
    ...(healthy ? [] : ['unwell']),
    ...(breaker === 'closed' ? [] : [`circuit ${breaker}`]),
  ]
  const bad = !healthy || breaker !== 'closed'
  return make(
    'div',
    { class: bad ? 'target unwell' : 'target' },
    make('code', {}, url),
    make('span', bad ? {} : { class: 'why' }, facts.length > 0 ? ` ${facts.join(', ')}` : ''),
  )
}

/* -- requests -- */

function showRequest(request) {
  const known = rows.get(request.n)
  const row = known ?? { element: make('details', { class: 'request fresh' }), request, text: '' }
  row.request = request
  row.text = textOf(request)
  drawSummary(row)
  if (row.element.open) drawCourse(row)
  if (known === undefined) {
    rows.set(request.n, row)
    row.element.addEventListener('toggle', () => {
      if (row.element.open) drawCourse(row)
      else row.element.querySelector('.course')?.remove()
    })
    const item = make('li', {}, row.element)
    item.dataset.n = String(request.n)
    byId('list').prepend(item)
  }
  row.element.parentElement.hidden = !matches(row.text)
}

function textOf({ api, method, url, status, code, id, spans }) {
  const names = spans.map(({ hook, name, outcome }) => `${hook} ${name} ${outcome}`)
  return `${api} ${method} ${url} ${status} ${code} ${id} ${names.join(' ')}`.toLowerCase()
}

function drawSummary({ element, request }) {
  const { time, method, url, status, code, ms, spans, api, parent } = request
  const path = make('span', { class: 'path mono' }, `${parent === null ? '' : '↳ '}${url}`)
  path.title = `${api}${code === '' ? '' : `, ${code}`}`
  if (code !== '') path.append(make('span', { class: 'soft' }, `  ${code}`))
  const summary = make(
    'summary',
    {},
    make('span', { class: 'time' }, clock(time)),
    make('span', { class: 'mono' }, method),
    path,
    make('span', { class: 'status', 'data-class': String(status).charAt(0) }, String(status)),
    drawTrack(
      spans.filter(({ kind }) => kind !== 'hook'),
      ms,
    ),
    make('span', { class: 'ms' }, milliseconds(ms)),
  )
  const old = element.querySelector('summary')
  if (old === null) element.append(summary)
  else old.replaceChildren(...summary.childNodes)
}

function drawTrack(spans, whole) {
  const end = Math.max(whole, 0.01, ...spans.map(({ at, ms }) => at + ms))
  const track = make('span', { class: 'track', 'aria-hidden': 'true' })
  for (const { kind, at, ms, outcome, name } of spans) {
    const bar = make('span', { class: 'bar', 'data-kind': kind, 'data-outcome': outcome })
    bar.title = `${name} ${milliseconds(ms)}`
    bar.style.left = `${Math.min(99, (at / end) * 100)}%`
    bar.style.width = `${Math.min(100 - (at / end) * 100, (ms / end) * 100)}%`
    track.append(bar)
  }
  return track
}

function drawCourse({ element, request }) {
  const { spans, ms, api, id, code, time } = request
  const end = Math.max(ms, ...spans.map((span) => span.at + span.ms))
  const items = spans
    .filter((span) => !saysItsPlugin(span, spans))
    .map((span, i, shown) => {
      const heads = span.kind !== 'plugin' || shown[i - 1]?.hook !== span.hook
      const track = drawTrack([span], end)
      const item = make(
        'li',
        {},
        make('span', { class: 'soft' }, heads ? span.hook || span.name : ''),
        make('code', {}, span.kind === 'plugin' ? span.name : ''),
        track,
        make('span', { class: 'ms' }, milliseconds(span.ms)),
        make('span', { class: span.outcome === 'failed' ? 'outcome bad-text' : 'outcome soft' }, span.outcome),
      )
      if (span.note !== '') item.append(make('span', { class: 'note soft' }, span.note))
      if (span.changes.length > 0) item.append(drawChanges(span.changes))
      return item
    })
  const facts = [api, new Date(time).toISOString(), id, ...(code === '' ? [] : [code])]
  const about = make('li', {}, make('span', { class: 'note soft' }, facts.join(', ')))
  const course = make('ol', { class: 'course' }, about, ...items)
  element.querySelector('.course')?.remove()
  element.append(course)
}

/** A hook that took as long as its one plugin would say the same twice. */
function saysItsPlugin(span, spans) {
  if (span.kind !== 'hook') return false
  const own = spans.filter(({ kind, hook }) => kind === 'plugin' && hook === span.hook)
  return own.length === 1 && span.ms - own[0].ms < 1
}

function drawChanges(changes) {
  const list = make('dl', { class: 'after' })
  for (const { name, before, after } of changes) {
    const value = make('dd')
    if (before !== null) value.append(make('del', {}, before === '' ? '(empty)' : before))
    if (before !== null && after !== null) value.append(' → ')
    if (after !== null) value.append(make('ins', {}, after === '' ? '(empty)' : after))
    list.append(make('dt', {}, name), value)
  }
  return list
}

/* -- refusals and events -- */

function showRefusals(refusals) {
  const sorted = Object.entries(refusals).toSorted(([, a], [, b]) => b - a)
  const body = byId('refusals').tBodies[0]
  const lines = sorted.map(([code, count]) =>
    make('tr', {}, make('td', { class: 'mono' }, code), make('td', {}, String(count))),
  )
  body.replaceChildren(...(lines.length > 0 ? lines : [make('tr', {}, make('td', { class: 'soft' }, 'none'))]))
}

function showEvents(events) {
  const text = JSON.stringify(events)
  if (text === eventsText) return
  eventsText = text
  const items = events
    .toReversed()
    .map(({ time, kind, text: what, times }) =>
      make(
        'li',
        {},
        make('span', { class: 'soft' }, `${clock(time)} `),
        make('b', {}, kind),
        ` ${what}${times > 1 ? ` × ${times}` : ''}`,
      ),
    )
  byId('events').replaceChildren(...(items.length > 0 ? items : [make('li', { class: 'soft' }, 'none')]))
}

/* -- the filter -- */

const matches = (text) => words.every((word) => text.includes(word))

function countShown(ended) {
  const shown = [...rows.values()].filter(({ text }) => matches(text)).length
  byId('none').hidden = rows.size > 0
  if (ended !== undefined) byId('shown').dataset.ended = String(ended)
  const of = words.length > 0 ? `${shown} of the last ${rows.size} match` : `the last ${rows.size}`
  byId('shown').textContent = rows.size === 0 ? '' : `${of}, ${byId('shown').dataset.ended} seen`
}

function filterEndpoints() {
  for (const tree of document.querySelectorAll('.tree')) {
    const items = [...tree.children]
    const some = items.some((item) => matches(item.dataset.text))
    for (const item of items) item.hidden = some && !matches(item.dataset.text)
  }
}

byId('filter').addEventListener('input', ({ target }) => {
  words = target.value
    .toLowerCase()
    .split(/\s+/)
    .filter((word) => word !== '')
  for (const { element, text } of rows.values()) element.parentElement.hidden = !matches(text)
  filterEndpoints()
  countShown()
})

document.addEventListener('keydown', (event) => {
  const filter = byId('filter')
  if (event.key === '/' && document.activeElement !== filter && !event.ctrlKey && !event.metaKey) {
    event.preventDefault()
    filter.focus()
  }
  if (event.key === 'Escape' && document.activeElement === filter && filter.value !== '') {
    filter.value = ''
    filter.dispatchEvent(new Event('input'))
  }
})

connect()
