/** The public entry `durable-copilot`: the client, its types, and the errors. */
export { CopilotClient, type ImportedSession } from './client/copilot-client.ts';
export type { ConnectOptions } from './connection/server-link.ts';
export type { CreateOptions } from './client/creation/create-session.ts';
export type { RetryEvent } from './client/follow/call-retries.ts';
export type { ToolProgressEvent } from './client/follow/tool-reports.ts';
export type { FollowEvent, Following, FollowOptions } from './client/follow/follower.ts';
export type { ReasoningEvent, ResetEvent, TokenEvent } from './client/follow/streamed-text.ts';
export type { Inbox, InboxFilter, InboxRequest, UnreadableSession } from './client/listing/inbox.ts';
export type { ListFilter, SessionPage, SessionRow } from './client/listing/session-list.ts';
export type { OutsideAct } from './client/reading/outside-acts.ts';
export type { PendingCall } from './client/reading/pending-calls.ts';
export type { ListedStatus, SessionDescription, SessionReport } from './client/reading/session-queries.ts';
export { type ByteRange, type OpenedFile, type PutOptions, SessionFiles } from './client/session/files.ts';
export { SessionHandle } from './client/session/session-handle.ts';
export type {
  DecideOptions,
  InterruptOptions,
  PlanEdit,
  RateOptions,
  SendOptions,
  StatusReport,
} from './client/session/options.ts';
export type { TurnStream } from './client/session/turn-stream.ts';
export type { SessionReader } from './client/reading/session-reader.ts';
export type { ConfigureOptions } from './client/session/configuration.ts';
export type {
  ChangeOptions,
  MergeContextOptions,
  SavedSession,
  SetContextOptions,
  SnapshotOptions,
} from './client/session/context-changes.ts';
export type { ForkOptions } from './client/creation/fork-session.ts';
export type { ImportGrant } from './client/creation/import-grants.ts';
export type { ImportOptions } from './client/creation/import-session.ts';
export type { NewWebhook, WebhookOwner, Webhooks, WebhookWithSecret } from './client/webhooks.ts';
export type { TestedWebhook, WebhookEventType, WebhookInfo } from './contracts/webhooks.ts';
export type { FollowsAs } from './client/reading/presence.ts';
export { type Config, loadConfig } from './config.ts';
export type { AttachedClient } from './contracts/attached.ts';
export type {
  Change,
  ContextDiff,
  ContextPoint,
  ContextSize,
  ContextState,
  ContextView,
  MergeStrategy,
  Snapshot,
  SnapshotInfo,
  SnapshotRef,
} from './contracts/context.ts';
export { CopilotError, type ErrorDetails, type ErrorType } from './contracts/errors.ts';
export type { SessionExport } from './contracts/export.ts';
export type { FileFacts, SessionFile, WrittenFile } from './contracts/files.ts';
export type { Json, Usage } from './contracts/json.ts';
export type { ChangeReport, LoadedSession, PlanView, SnapshotReport, TranscriptPage } from './contracts/messages.ts';
export type { ProgressEvent } from './contracts/progress.ts';
export type {
  Coverage,
  DecidedRequest,
  Decision,
  Expiry,
  PendingRequest,
  RequestedCall,
  RequestedStep,
  RequestKind,
  Verdict,
} from './contracts/request.ts';
export { subjectDigest } from './contracts/request-subject.ts';
export type { Analytics, Rating, SessionConfig, SessionInfo, SessionStatus } from './contracts/session.ts';
export type { AgentOverride, Approvals, Budget, ToolCategory, ToolPolicy } from './contracts/team.ts';
export type { Message, ToolCall } from './contracts/transcript.ts';
export { isSettled, type Phase, type Route, type Step, type TurnStatus, type TurnView } from './contracts/turn.ts';
