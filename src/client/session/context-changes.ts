/** Checks changes of the context and puts them into the form in which they are sent. */
import { z } from 'zod';
import {
  ContextKey,
  ContextState,
  ContextValues,
  type ContextPoint,
  jsonProblem,
  MergeStrategy,
  type SnapshotRef,
} from '../../contracts/context.ts';
import { CopilotError } from '../../contracts/errors.ts';
import type { ImageReference } from '../../contracts/image.ts';
import type { Json } from '../../contracts/json.ts';
import {
  type EditContextPayload,
  LoadContextPayload,
  RestoreContextPayload,
  SavePayload,
  TakeSnapshotPayload,
} from '../../contracts/payloads.ts';
import { checkInput } from '../checked-input.ts';
import { dropUndefined } from '../defined-fields.ts';

/** Options of all changes. */
export interface ChangeOptions {
  /**
   * Version of the session that the caller has seen. If the session has another version by now, nothing changes and the
   * call throws `VersionConflict`. Default: any version.
   */
  readonly expectedVersion?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** How a value of the context is set. */
export interface SetContextOptions extends ChangeOptions {
  /** Never let the value of this key change again. Default false. */
  readonly protect?: boolean | undefined;
  /** Keep the value out of snapshots and exports, until it is cleared or the session ends. Default false. */
  readonly ephemeral?: boolean | undefined;
}

/** How a snapshot is taken. */
export interface SnapshotOptions extends ChangeOptions {
  /** What to keep with it, 4 KiB at most as JSON. The session adds the number of its latest turn as `turn`. */
  readonly metadata?: ContextValues | undefined;
}

/** How values are merged into the context. */
export interface MergeContextOptions extends ChangeOptions {
  /** `safe` sets only new keys. Default `safe`. */
  readonly strategy?: MergeStrategy | undefined;
  /** Prefix of each key. `prefixed` needs it, and no other strategy takes it. */
  readonly prefix?: string | undefined;
}

/** What `save` replaces. Of a message, only role, text and a person's images are used. */
export interface SavedSession {
  readonly conversation: readonly {
    readonly role: string;
    readonly text: string;
    readonly images?: readonly ImageReference[] | undefined;
  }[];
  readonly context: ContextValues;
  readonly phase: string | null;
  readonly step: number | string | null;
  /** If it is not given, the plan stays. */
  readonly plan?: Json | undefined;
}

type Edit = EditContextPayload['edit'];

const ExpectedVersion = z.int().min(0).optional();
const Flag = z.boolean().optional();
const Prefix = z.string().min(1, 'it is empty').max(100).optional();

/** @throws CopilotError `InvalidInput` */
export function savePayload(given: SavedSession, { expectedVersion }: ChangeOptions): SavePayload {
  const { conversation } = given;
  const payload = {
    ...given,
    conversation: Array.isArray(conversation) ? conversation.map(bareMessage) : conversation,
    expectedVersion,
  };
  return checkInput(SavePayload, dropUndefined(payload), '');
}

function bareMessage(message: unknown): unknown {
  if (typeof message !== 'object' || message === null || !('role' in message) || !('text' in message)) return message;
  const bare = { role: message.role, text: message.text };
  return message.role === 'user' && 'images' in message ? { ...bare, images: message.images } : bare;
}

/** @throws CopilotError `InvalidInput` */
export function setEdit(key: string, value: Json, { protect, ephemeral }: SetContextOptions): Edit {
  const problem = jsonProblem(value);
  if (problem !== undefined) throw new CopilotError('InvalidInput', { what: `Context value "${key}"`, problem });
  return {
    op: 'set',
    key: checkInput(ContextKey, key, 'key'),
    value,
    ...dropUndefined({
      protect: checkInput(Flag, protect, 'protect'),
      ephemeral: checkInput(Flag, ephemeral, 'ephemeral'),
    }),
  };
}

/** @throws CopilotError `InvalidInput` */
export function deleteEdit(key: string): Edit {
  return { op: 'delete', key: checkInput(ContextKey, key, 'key') };
}

/** @throws CopilotError `InvalidInput` */
export function updateEdit(values: ContextValues): Edit {
  return { op: 'update', values: checkInput(ContextValues, values, 'values') };
}

/** @throws CopilotError `InvalidInput`, also for `prefixed` without a prefix, and for a prefix without `prefixed` */
export function mergeEdit(values: ContextValues, { strategy, prefix }: MergeContextOptions): Edit {
  const isPrefixed = checkInput(MergeStrategy.optional(), strategy, 'strategy') === 'prefixed';
  if (isPrefixed !== (checkInput(Prefix, prefix, 'prefix') !== undefined)) {
    const problem = isPrefixed
      ? 'the strategy "prefixed" needs a prefix'
      : 'only the strategy "prefixed" takes a prefix';
    throw new CopilotError('InvalidInput', { what: `prefix (${prefix ?? 'none'})`, problem });
  }
  return {
    op: 'merge',
    values: checkInput(ContextValues, values, 'values'),
    ...dropUndefined({ strategy, prefix }),
  };
}

/** @throws CopilotError `InvalidInput` */
export function snapshotPayload(reason: string, { metadata, expectedVersion }: SnapshotOptions): TakeSnapshotPayload {
  return checkInput(TakeSnapshotPayload, dropUndefined({ reason, metadata, expectedVersion }), '');
}

/** @throws CopilotError `InvalidInput` */
export function loadPayload(saved: ContextState, { expectedVersion }: ChangeOptions): LoadContextPayload {
  const payload = checkInput(LoadContextPayload, dropUndefined({ context: saved, expectedVersion }), '');
  checkInput(ContextState, saved, 'context');
  return payload;
}

/** @throws CopilotError `InvalidInput` */
export function editPayload(edit: Edit, { expectedVersion }: ChangeOptions): EditContextPayload {
  const version = checkInput(ExpectedVersion, expectedVersion, 'expectedVersion');
  return dropUndefined({ edit, expectedVersion: version });
}

/** @throws CopilotError `InvalidInput` */
export function restorePayload(snapshot: SnapshotRef, { expectedVersion }: ChangeOptions): RestoreContextPayload {
  return checkInput(RestoreContextPayload, dropUndefined({ snapshot, expectedVersion }), '');
}

/** @throws CopilotError `InvalidInput` */
export function snapshotRef(wanted: SnapshotRef): SnapshotRef {
  return checkInput(RestoreContextPayload.shape.snapshot, wanted, 'snapshot');
}

/** @throws CopilotError `InvalidInput` */
export function contextPoint(point: ContextPoint, what: string): ContextPoint {
  return checkInput(RestoreContextPayload.shape.snapshot, point, what);
}
