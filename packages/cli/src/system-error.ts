/** Whether the operating system has refused something. */
export function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && 'syscall' in error && 'code' in error
}

const REASONS: Readonly<Record<string, string>> = {
  EACCES: 'this process may not do that',
  EPERM: 'this process may not do that',
  EROFS: 'nothing can be written there',
  ENOTDIR: 'a file stands where a directory has to be',
  EEXIST: 'something is there already',
  ENOENT: 'there is no such file or directory',
  ENAMETOOLONG: 'the name is too long',
  ENOSPC: 'the disk is full',
}

/** `shop/plugins: this process may not do that (EACCES, mkdir)` */
export function systemErrorText({ code = '', syscall = '', path, message }: NodeJS.ErrnoException): string {
  const why = REASONS[code]
  return why === undefined || path === undefined ? message : `${path}: ${why} (${code}, ${syscall})`
}
