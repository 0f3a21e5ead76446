/** Updates by which a caller changes what a session knows, with optimistic locking. */
import { setHandler, workflowInfo } from '@temporalio/workflow';
import { isReservedKey } from '../../contracts/context.ts';
import { toFailure } from '../../contracts/errors.ts';
import type { Json } from '../../contracts/json.ts';
import * as messages from '../../contracts/messages.ts';
import * as payloads from '../../contracts/payloads.ts';
import type { ChangeReport, SnapshotReport } from '../../contracts/messages.ts';
import { DurableContext } from '../context/context.ts';
import { isEqual } from '../context/tree.ts';
import { accept } from '../input-check.ts';
import type { LiveSession } from '../session/live-session.ts';

export function acceptChanges(session: LiveSession): void {
  const { context } = session;

  // An update, since the caller must know whether its change is in before it makes the next.
  setHandler(
    messages.save,
    ({ conversation, context: values, phase, step, plan }): ChangeReport => {
      const now = new Date().toISOString();
      const { skipped } = context.merge(values, now, { strategy: 'replace' });
      session.conversation.replace(conversation);
      session.settings.savePosition({ phase, step, plan });
      return reportChange(session, true, skipped);
    },
    {
      validator: (payload) => {
        const { expectedVersion, context: values } = accept(payloads.SavePayload, payload, 'save');
        requireVersion(session, expectedVersion);
        requireIdle(session);
        requireOwnKeys(context, Object.entries(values));
        // Tried on a working copy, so that values that do not fit are refused before they are in history.
        context.branch().merge(values, new Date().toISOString(), { strategy: 'replace' });
      },
    },
  );

  setHandler(
    messages.editContext,
    (payload): ChangeReport => {
      const before = context.version;
      const { changed, skipped } = applyEdit(context, payload.edit);
      return reportChange(session, changed || context.version !== before, skipped);
    },
    {
      validator: (payload) => {
        const { expectedVersion, edit: wanted } = accept(payloads.EditContextPayload, payload, 'context change');
        requireVersion(session, expectedVersion);
        requireOpen(session);
        requireOwnKeys(context, keysOf(wanted));
        applyEdit(context.branch(), wanted);
      },
    },
  );

  setHandler(
    messages.restoreContext,
    ({ snapshot }): ChangeReport => {
      const before = context.version;
      const { skipped } = context.restore(snapshot, new Date().toISOString());
      return reportChange(session, context.version !== before, skipped);
    },
    {
      validator: (payload) => {
        const { expectedVersion, snapshot } = accept(payloads.RestoreContextPayload, payload, 'restore');
        requireVersion(session, expectedVersion);
        requireOpen(session);
        context.branch().restore(snapshot, new Date().toISOString());
      },
    },
  );

  acceptSavedContexts(session);
}

function acceptSavedContexts(session: LiveSession): void {
  const { context } = session;

  setHandler(
    messages.takeSnapshot,
    ({ reason, metadata = {} }): SnapshotReport => {
      const { turnCount: turn } = session.state;
      const snapshot = context.checkpoint(reason, { ...metadata, turn }, new Date().toISOString());
      return { ...reportChange(session, false), snapshot };
    },
    {
      validator: (payload) => {
        const { expectedVersion, reason, metadata } = accept(payloads.TakeSnapshotPayload, payload, 'snapshot');
        requireVersion(session, expectedVersion);
        requireOpen(session);
        const { turnCount: turn } = session.state;
        context.branch().checkpoint(reason, { ...metadata, turn }, new Date().toISOString());
      },
    },
  );

  setHandler(
    messages.loadContext,
    ({ context: saved }): ChangeReport => {
      const { skipped } = context.load(DurableContext.fromJSON(saved), new Date().toISOString());
      return reportChange(session, true, skipped);
    },
    {
      validator: (payload) => {
        const { expectedVersion, context: saved } = accept(payloads.LoadContextPayload, payload, 'load');
        requireVersion(session, expectedVersion);
        requireOpen(session);
        context.branch().load(DurableContext.fromJSON(saved), new Date().toISOString());
      },
    },
  );
}

type Edit = payloads.EditContextPayload['edit'];

/** What an edit of the context did: keys that kept another value, and whether ephemeral values changed. */
interface EditOutcome {
  readonly changed: boolean;
  readonly skipped: readonly string[];
}

function applyEdit(context: DurableContext, wanted: Edit): EditOutcome {
  const now = new Date().toISOString();
  switch (wanted.op) {
    case 'set': {
      const { key, value, protect = false, ephemeral = false } = wanted;
      return { changed: context.set(key, value, now, { protect, ephemeral }), skipped: [] };
    }
    case 'delete':
      return { changed: context.delete(wanted.key, now), skipped: [] };
    case 'clear':
      return { changed: context.clearEphemeral(now).length > 0, skipped: [] };
    case 'update':
      return { changed: false, skipped: context.update(wanted.values, now).skipped };
    case 'merge': {
      const { strategy = 'safe', prefix } = wanted;
      const options = prefix === undefined ? { strategy } : { strategy, prefix };
      return { changed: false, skipped: context.merge(wanted.values, now, options).skipped };
    }
  }
}

/** The keys that an edit names, with the value that it gives them. */
function keysOf(wanted: Edit): readonly (readonly [key: string, value?: Json])[] {
  switch (wanted.op) {
    case 'set':
      return [[wanted.key, wanted.value]];
    case 'delete':
      return [[wanted.key]];
    case 'update':
      return Object.entries(wanted.values);
    case 'merge':
      return Object.entries(wanted.values).map(([key, value]) => [`${wanted.prefix ?? ''}${key}`, value]);
    case 'clear':
      return [];
  }
}

/**
 * The value that a key has already may be given again, as in a file that somebody read before. Protected keys with a
 * value have rules of their own.
 * @throws ReservedKey
 */
function requireOwnKeys(context: DurableContext, keys: readonly (readonly [key: string, value?: Json])[]): void {
  for (const [key, value] of keys) {
    const isKept = context.isProtected(key) && (value === undefined || context.has(key));
    if (!isReservedKey(key) || isKept) continue;
    if (value === undefined || !isEqual(context.get(key), value)) throw toFailure('ReservedKey', { key });
  }
}

export function reportChange(session: LiveSession, changed: boolean, skipped: readonly string[] = []): ChangeReport {
  if (changed) {
    session.view.touch();
    session.view.publish();
  }
  session.phaseContext.noteWarnings();
  const { version, updatedAt } = session.state;
  return { changed, version, contextVersion: session.context.version, updatedAt, skipped };
}

export function requireVersion({ state }: LiveSession, expected: number | undefined): void {
  if (expected !== undefined && expected !== state.version) {
    throw toFailure('VersionConflict', { expected, actual: state.version });
  }
}

export function requireOpen(session: LiveSession): void {
  if (!session.isClosing) return;
  throw toFailure('SessionClosed', { sessionId: workflowInfo().workflowId, status: session.state.status });
}

function requireIdle(session: LiveSession): void {
  requireOpen(session);
  const { status, current, queue } = session.state;
  if (status !== 'active') {
    const wayOut = `Continue it first: copilot continue ${workflowInfo().workflowId}`;
    throw toFailure('WrongState', { needs: 'active', status, wayOut });
  }
  if (current || queue.length > 0) {
    throw toFailure('WrongState', {
      needs: 'idle',
      status: 'in the middle of a turn',
      wayOut: 'Save when it has ended, or interrupt it.',
    });
  }
}
