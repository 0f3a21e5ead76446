/** Files on their way into the workspace, for the next message. Each is sent as soon as somebody chooses it. */
import { useCallback, useEffect, useRef, useState } from 'preact/hooks';
import { deleteFile, putFile } from '../api/api.ts';
import { ApiError } from '../api/http.ts';
import { asApiError } from '../state/use-session.ts';

export interface Attachment {
  readonly key: string;
  readonly name: string;
  readonly bytes: number;
  /** In the workspace, once it is there. */
  readonly path: string | undefined;
  readonly error: ApiError | undefined;
}

export interface Attachments {
  readonly all: readonly Attachment[];
  readonly isSending: boolean;
  readonly add: (files: Iterable<File>) => void;
  readonly remove: (key: string) => void;
  /** Forgets them, since a message has them now. */
  readonly clear: () => void;
}

export function useAttachments(sessionId: string): Attachments {
  const [all, setAll] = useState<readonly Attachment[]>([]);
  const uploads = useRef(new Map<string, AbortController>());
  useEffect(() => () => uploads.current.forEach((upload) => upload.abort()), []);

  const add = useCallback(
    (files: Iterable<File>): void => {
      for (const file of files) {
        const key = crypto.randomUUID();
        const upload = new AbortController();
        const change = (changes: Partial<Attachment>): void =>
          setAll((before) => before.map((one) => (one.key === key ? { ...one, ...changes } : one)));
        uploads.current.set(key, upload);
        setAll((before) => [...before, { key, name: file.name, bytes: file.size, path: undefined, error: undefined }]);
        uploadFile(sessionId, file, upload.signal).then(
          (path) => change({ path }),
          (problem: unknown) => upload.signal.aborted || change({ error: asApiError(problem) }),
        );
      }
    },
    [sessionId],
  );
  const remove = useCallback(
    (key: string): void => {
      uploads.current.get(key)?.abort();
      const path = all.find((one) => one.key === key)?.path;
      if (path !== undefined) void deleteFile(sessionId, path).catch(() => undefined);
      setAll((before) => before.filter((one) => one.key !== key));
    },
    [sessionId, all],
  );
  const clear = useCallback(() => setAll([]), []);
  const isSending = all.some(({ path, error }) => path === undefined && error === undefined);
  return { all, isSending, add, remove, clear };
}

const MAX_NAMES = 50;

/**
 * Puts a file into the workspace under its own name, or under one with a number if another file has that.
 * @returns its path
 */
export async function uploadFile(sessionId: string, file: File, signal: AbortSignal): Promise<string> {
  const dot = file.name.lastIndexOf('.');
  const [stem, extension] = dot > 0 ? [file.name.slice(0, dot), file.name.slice(dot)] : [file.name, ''];
  for (let number = 1; ; number++) {
    const name = number === 1 ? file.name : `${stem}-${number}${extension}`;
    try {
      return (await putFile(sessionId, name, file, signal)).path;
    } catch (error) {
      const isTaken = error instanceof ApiError && error.type === 'FileExists';
      if (!isTaken || number === MAX_NAMES) throw error;
    }
  }
}
