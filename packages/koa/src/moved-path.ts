import type { Context } from 'koa'

/**
 * Runs what comes next so that it sees the path plugins gave the request. A mount above puts its own path back the moment
 * `next` is called; while that runs, what is set on `ctx.path` keeps the plugins' change.
 */
export async function keepingMovedPath(ctx: Context, before: string, next: () => Promise<unknown>): Promise<void> {
  const after = ctx.path
  if (after === before) {
    await next()
    return
  }
  Object.defineProperty(ctx, 'path', {
    configurable: true,
    get: () => ctx.request.path,
    set: (path: string) => {
      ctx.request.path = moved(path, before, after)
    },
  })
  try {
    await next()
  } finally {
    delete (ctx as { path?: string }).path
  }
}

function moved(path: string, before: string, after: string): string {
  if (before === '/') return path.replace(/\/$/, '') + after
  return path.endsWith(before) ? path.slice(0, path.length - before.length) + after : path
}
