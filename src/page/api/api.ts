/** What the page asks of the gateway, by the types of the client library. */
import type {
  AttachedClient,
  ConfigureOptions,
  ContextDiff,
  ContextView,
  DecidedRequest,
  Inbox,
  ListFilter,
  PendingRequest,
  PlanEdit,
  SessionConfig,
  SessionExport,
  SessionFile,
  SessionPage,
  SessionReport,
  SnapshotInfo,
  TranscriptPage,
  TurnView,
  WrittenFile,
} from '../../client.ts';
import type { Principal } from '../../gateway/principals/principal.ts';
import type { DecidePayload } from '../../contracts/payloads.ts';
import { request } from './http.ts';

export interface NewSession {
  /** Made by the page, so that another try finds the session of the first. */
  readonly id?: string;
  readonly ifExists?: 'use';
  readonly name?: string;
  readonly mode?: string;
  readonly team?: string;
  readonly message?: string;
  readonly messageId?: string;
  readonly config?: SessionConfig;
}

export const me = (): Promise<Principal> => request('GET', '/v1/me');
export const signIn = (key: string): Promise<Principal> => request('POST', '/v1/login', { body: { key } });
export const signOut = (): Promise<unknown> => request('POST', '/v1/logout', { body: {} });

export const listSessions = (query: ListFilter, signal: AbortSignal): Promise<SessionPage> =>
  request('GET', '/v1/sessions', { query, signal });
export const readInbox = (signal: AbortSignal): Promise<Inbox> => request('GET', '/v1/inbox', { signal });
export const createSession = (body: NewSession): Promise<SessionReport> => request('POST', '/v1/sessions', { body });

const at = (id: string): string => `/v1/sessions/${encodeURIComponent(id)}`;

export const readSession = (id: string, signal?: AbortSignal): Promise<SessionReport> =>
  request('GET', at(id), signal ? { signal } : {});
export const readTurns = (id: string, signal?: AbortSignal): Promise<readonly TurnView[]> =>
  request('GET', `${at(id)}/turns`, signal ? { signal } : {});
export const readTranscript = (id: string): Promise<TranscriptPage> => request('GET', `${at(id)}/transcript`);
/** Files are paths in the workspace. */
export interface NewMessage {
  readonly text: string;
  readonly messageId: string;
  readonly files: readonly string[];
}
export const sendMessage = (id: string, body: NewMessage): Promise<unknown> =>
  request('POST', `${at(id)}/messages`, { body });
export const unqueue = (id: string, messageId: string): Promise<unknown> =>
  request('DELETE', `${at(id)}/messages/${encodeURIComponent(messageId)}`);
export const interrupt = (id: string, { text: message, ...rest }: Partial<NewMessage> = {}): Promise<unknown> =>
  request('POST', `${at(id)}/interrupt`, { body: { message, ...rest } });
export const suspend = (id: string): Promise<unknown> => request('POST', `${at(id)}/suspend`, { body: {} });
export const continueSession = (id: string): Promise<unknown> => request('POST', `${at(id)}/continue`, { body: {} });
export const complete = (id: string): Promise<unknown> => request('POST', `${at(id)}/complete`);
export const fork = (id: string, body: { turn?: number } = {}): Promise<{ readonly id: string }> =>
  request('POST', `${at(id)}/fork`, { body });
export const remove = (id: string): Promise<unknown> => request('DELETE', at(id));
export const exportSession = (id: string): Promise<SessionExport> => request('GET', `${at(id)}/export`);
export const editPlan = (id: string, edits: readonly PlanEdit[]): Promise<unknown> =>
  request('PATCH', `${at(id)}/plan`, { body: { edits } });

/** @param digest names the content, which the browser then keeps */
export function fileAddress(id: string, path: string, digest?: string): string {
  const escaped = path.split('/').map(encodeURIComponent).join('/');
  return `${at(id)}/files/${escaped}${digest === undefined ? '' : `?digest=${digest}`}`;
}
export const listFiles = (id: string, signal: AbortSignal): Promise<readonly SessionFile[]> =>
  request('GET', `${at(id)}/files`, { signal });
export const deleteFile = (id: string, path: string): Promise<unknown> => request('DELETE', fileAddress(id, path));
/** @throws ApiError `FileExists` if another file has this path */
export const putFile = (id: string, path: string, content: Blob, signal: AbortSignal): Promise<WrittenFile> =>
  request('PUT', fileAddress(id, path), { query: { replace: false }, content, signal });

export const configure = (id: string, changes: Omit<ConfigureOptions, 'signal'>): Promise<unknown> =>
  request('PATCH', `${at(id)}/config`, { body: changes });
export const readFollowers = (id: string, signal: AbortSignal): Promise<readonly AttachedClient[]> =>
  request('GET', `${at(id)}/followers`, { signal });

export const readRequest = (id: string, requestId: string): Promise<PendingRequest | DecidedRequest> =>
  request('GET', `${at(id)}/requests/${encodeURIComponent(requestId)}`);
export const decide = (
  id: string,
  { requestId, ...body }: Omit<DecidePayload, 'by' | 'images'>,
): Promise<DecidedRequest> => request('POST', `${at(id)}/requests/${encodeURIComponent(requestId)}/decision`, { body });

export const readContext = (id: string): Promise<ContextView> => request('GET', `${at(id)}/context`);
export const readSnapshots = (id: string): Promise<readonly SnapshotInfo[]> => request('GET', `${at(id)}/snapshots`);
export const readDiff = (id: string, from: string): Promise<ContextDiff> =>
  request('GET', `${at(id)}/context/diff`, { query: { from } });
export const takeSnapshot = (id: string, reason: string): Promise<unknown> =>
  request('POST', `${at(id)}/snapshots`, { body: { reason } });
export const restoreSnapshot = (id: string, snapshot: string): Promise<unknown> =>
  request('POST', `${at(id)}/context/restore`, { body: { snapshot } });
export const eventsPath = (id: string): string => `${at(id)}/events`;
