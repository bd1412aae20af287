import type { HostCall } from '@postern/core/host'

/** A GET without a body, as an adapter hands it over. */
export function hostCall(target: string, ...headers: string[]): HostCall {
  return {
    method: 'GET',
    originalUrl: target,
    target,
    basePath: '',
    httpVersion: '1.1',
    truncated: false,
    rawHeaders: ['Host', 'a', ...headers],
    peer: { address: '127.0.0.1', encrypted: false },
    body: () => undefined,
  }
}
