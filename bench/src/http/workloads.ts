import { POSTED } from './payloads.ts'

export interface HttpWorkload {
  readonly title: string
  readonly method: 'GET' | 'POST'
  readonly path: string
  readonly body?: string
  readonly connections: number
  /** Times the length of a slice: many connections take a while to be made. */
  readonly slices?: number
}

const small = { method: 'GET', path: '/small.json' } as const

/** Closed loops: each connection asks again as soon as it is answered. */
export const WORKLOADS = {
  get: { ...small, title: 'small GET', connections: 64 },
  post: { title: 'POST 1 KiB', method: 'POST', path: '/post', body: POSTED, connections: 64 },
  large: { title: '100 KiB response', method: 'GET', path: '/large.bin', connections: 64 },
  'connections-1': { ...small, title: 'small GET, 1 connection', connections: 1 },
  'connections-1000': { ...small, title: 'small GET, 1,000 connections', connections: 1_000, slices: 2 },
  'connections-5000': { ...small, title: 'small GET, 5,000 connections', connections: 5_000, slices: 3 },
} as const satisfies Readonly<Record<string, HttpWorkload>>

export type WorkloadName = keyof typeof WORKLOADS

export function workload(name: WorkloadName): HttpWorkload {
  return WORKLOADS[name]
}
