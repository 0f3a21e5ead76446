/** Errors of the file system in words for an agent. */

/** By error code. Each text continues a sentence that begins with the path. */
export const FILE_PROBLEMS: Readonly<Record<string, string>> = {
  ENOENT: 'does not exist, or is a link to nowhere. list_files shows what exists.',
  ENOTDIR: 'uses a file or a link as a folder. list_files shows what exists.',
  ELOOP: 'is a link, or leads through one that has just changed. Use a path without links.',
  EISDIR: 'is a folder. Give a file.',
  EACCES: 'cannot be read or written with the permissions of this program. Use another file.',
  EPERM: 'cannot be changed with the permissions of this program. Use another file.',
  EROFS: 'is on a read-only file system. Use another folder.',
  ENAMETOOLONG: 'is too long. Use shorter names.',
  EILSEQ: 'has characters that the file system does not accept. Use plain letters.',
  ENXIO: 'is a pipe, socket or device. Give a regular file.',
};

export function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}

/** Whether trying again would not help. */
export const isFileProblem = (error: unknown): boolean => FILE_PROBLEMS[codeOf(error) ?? ''] !== undefined;

/** Full disks and quotas, and limits of open files and memory. */
const LACKS = ['ENOSPC', 'EDQUOT', 'EFBIG', 'EMFILE', 'ENFILE', 'ENOMEM'];

/** Whether the machine lacks something that people can give it, so that trying again may help. */
export const isLack = (error: unknown): boolean => LACKS.includes(codeOf(error) ?? '');

export function undefinedIfMissing(error: unknown): undefined {
  if (codeOf(error) !== 'ENOENT') throw error;
}

export function undefinedIfPresent(error: unknown): undefined {
  if (codeOf(error) !== 'EEXIST') throw error;
}
