export function bundle(entry: string, folder: string, format?: 'esm' | 'cjs'): Promise<string>
