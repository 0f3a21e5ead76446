/** What the file system says, in words for an agent, and what of it is no problem. */

/** By code of the error; each goes on from the name of the path. */
export const FILE_PROBLEMS: Readonly<Record<string, string>> = {
  ENOENT: 'does not exist, or is a link to nowhere. list_files shows what there is.',
  ENOTDIR: 'uses a file or a link as a folder. list_files shows what there is.',
  ELOOP: 'is a link, or goes through one that changed just now. Use a path without links.',
  EISDIR: 'is a folder. Give a file.',
  EACCES: 'may not be read or written by this program. Use another file.',
  EPERM: 'may not be changed by this program. Use another file.',
  EROFS: 'lies on a read-only file system. Use another folder.',
  ENAMETOOLONG: 'is too long. Use shorter names.',
  EILSEQ: 'has characters that the file system does not take. Use plain letters.',
  ENXIO: 'is a pipe, socket or device. Give a regular file.',
};

export function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}

export function undefinedIfMissing(error: unknown): undefined {
  if (codeOf(error) !== 'ENOENT') throw error;
}

export function undefinedIfPresent(error: unknown): undefined {
  if (codeOf(error) !== 'EEXIST') throw error;
}
