/** What clients ask workers about the files of a session, in short workflows of their own. */
import { z } from 'zod';
import type { ErrorDetails, ErrorType } from './errors.ts';
import type { ImageType } from './image.ts';
import { FoundId } from './session.ts';

/** Content in one question or answer: 1 MiB. Temporal takes 2 MiB. */
export const FILE_PART_BYTES = 1024 * 1024;

const session = {
  sessionId: FoundId,
  /** Folder of the session's files, if the session names one. */
  workspace: z.string().startsWith('/').max(4_096).optional(),
};
const path = z.string().min(1).max(4_096);
const size = z.int().min(0);
/** sha-256 of the whole content, in hex. */
const digest = z.string().regex(/^[0-9a-f]{64}$/);
const upload = z.string().regex(/^[0-9a-f]{32}$/);

/** What workers have of a session: its own workspace, its export and older messages, its payloads outside of history. */
export const SessionPart = z.enum(['workspace', 'archive', 'payloads']);
export type SessionPart = z.infer<typeof SessionPart>;

export const FileRequest = z.discriminatedUnion('kind', [
  z.strictObject({ ...session, kind: z.literal('list'), from: size }),
  z.strictObject({
    ...session,
    kind: z.literal('look'),
    /** Absent: the session's export in the archive. */
    path: path.optional(),
  }),
  z.strictObject({ ...session, kind: z.literal('read'), path: path.optional(), from: size }),
  /** Its content goes beside it. The last part puts the file in its place. */
  z.strictObject({
    ...session,
    kind: z.literal('write'),
    path,
    from: size,
    /** Of the whole file. A file that comes as a stream has it with its last part only. */
    whole: z.strictObject({ bytes: size, digest }).optional(),
    upload,
    /** Whether the file may take the place of another one. */
    replace: z.boolean(),
  }),
  z.strictObject({ ...session, kind: z.literal('delete'), path }),
  /** Takes back what an upload or several have written. */
  z.strictObject({
    ...session,
    kind: z.literal('undo'),
    files: z.array(z.strictObject({ path, digest })).max(1_000),
    upload: upload.optional(),
  }),
  /** Removes what workers have of a session. Its id may be any that a workflow can have. */
  z.strictObject({ kind: z.literal('remove'), sessionId: z.string().min(1).max(1_000), parts: z.array(SessionPart) }),
]);
export type FileRequest = z.infer<typeof FileRequest>;

/** A file of a session's workspace. */
export interface SessionFile {
  /** Relative to the workspace, with `/` between folders. */
  readonly path: string;
  readonly bytes: number;
  /** ISO time of its last change. */
  readonly changedAt: string;
}

export interface FilePage {
  readonly files: readonly SessionFile[];
  /** Number of files before the next page. Null if there is none. */
  readonly next: number | null;
}

export interface FileFacts extends Pick<SessionFile, 'path' | 'bytes'> {
  /** sha-256 of the content, in hex. */
  readonly digest: string;
  /** By its first bytes. Null if it is no image that models take. */
  readonly imageType: ImageType | null;
}

/** What became of an upload. */
export interface WrittenFile {
  readonly path: string;
  readonly bytes: number;
  readonly digest: string;
  /** False if another file stood there, or this one already. */
  readonly isNew: boolean;
}

/** Answers by the kind of the request. Of a `write` only the last part has one. */
export interface FileAnswers {
  readonly list: FilePage;
  readonly look: FileFacts;
  readonly read: Uint8Array;
  readonly write: WrittenFile | null;
  readonly delete: null;
  readonly undo: null;
  readonly remove: null;
}
export type FileAnswer = FileAnswers[keyof FileAnswers] | Refused;

/** What a client is told. It is no failure, which worker and server would report to their operators. */
export interface Refused {
  readonly refused: { readonly type: ErrorType; readonly details: ErrorDetails };
}
