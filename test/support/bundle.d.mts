export function bundle(entry: string, folder: string, format?: 'esm' | 'cjs'): Promise<string>
export function bundleTogether(entries: Readonly<Record<string, string>>, folder: string): Promise<void>
