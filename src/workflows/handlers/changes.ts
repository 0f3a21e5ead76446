/** Updates by which a caller changes what a session knows, with optimistic locking. */
import { setHandler, workflowInfo } from '@temporalio/workflow';
import { toFailure } from '../../contracts/errors.ts';
import * as messages from '../../contracts/messages.ts';
import * as payloads from '../../contracts/payloads.ts';
import type { ChangeReport } from '../../contracts/messages.ts';
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
        // Tried on a working copy, so that values that do not fit are refused before they are in history.
        context.branch().merge(values, new Date().toISOString(), { strategy: 'replace' });
      },
    },
  );

  setHandler(
    messages.editContext,
    (payload): ChangeReport => {
      const before = context.version;
      const skipped = applyEdit(session, payload.edit, context);
      return reportChange(session, context.version !== before, skipped);
    },
    {
      validator: (payload) => {
        const { expectedVersion, edit: wanted } = accept(payloads.EditContextPayload, payload, 'context change');
        requireVersion(session, expectedVersion);
        requireOpen(session);
        applyEdit(session, wanted, context.branch());
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
}

/** @returns keys that kept another value than the one given */
function applyEdit(
  session: LiveSession,
  wanted: payloads.EditContextPayload['edit'],
  context: LiveSession['context'],
): readonly string[] {
  const now = new Date().toISOString();
  switch (wanted.op) {
    case 'set':
      context.set(wanted.key, wanted.value, now, {
        protect: wanted.protect ?? false,
        ephemeral: wanted.ephemeral ?? false,
      });
      return [];
    case 'delete':
      context.delete(wanted.key, now);
      return [];
    case 'update':
      return context.update(wanted.values, now).skipped;
    case 'merge':
      return context.merge(wanted.values, now, {
        ...(wanted.strategy === undefined ? {} : { strategy: wanted.strategy }),
        ...(wanted.prefix === undefined ? {} : { prefix: wanted.prefix }),
      }).skipped;
    case 'snapshot':
      context.checkpoint(wanted.reason, { turn: session.state.turnCount }, now);
      return [];
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
