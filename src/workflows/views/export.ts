/** A session as a whole: what `load` gives to a caller, and what `export` writes to a file. */
import { workflowInfo } from '@temporalio/workflow';
import type { SessionExport } from '../../contracts/export.ts';
import type { Json } from '../../contracts/json.ts';
import type { LoadedSession } from '../../contracts/messages.ts';
import type { LiveSession } from '../session/live-session.ts';
import { planView, turnView } from './views.ts';

export function loadedSession({ state, context, info }: LiveSession): LoadedSession {
  return {
    sessionId: info.id,
    mode: state.mode,
    conversation: state.transcript.messages,
    context: context.persistent,
    phase: info.phase,
    step: info.step,
    // JSON in any case, which the type of a step, with fields that may be absent, does not say.
    plan: state.saved?.plan ?? (planView(state)?.steps as Json | undefined) ?? null,
    status: state.status,
    config: state.config,
    createdAt: state.createdAt,
    updatedAt: state.updatedAt,
    version: state.version,
  };
}

export function exportOf({ state, context }: LiveSession): SessionExport {
  return {
    format: 'durable-copilot session',
    schemaVersion: 1,
    exportedAt: new Date().toISOString(),
    session: {
      id: workflowInfo().workflowId,
      name: state.name,
      user: state.user,
      mode: state.mode,
      status: state.status,
      config: state.config,
      createdAt: state.createdAt,
      updatedAt: state.updatedAt,
      version: state.version,
      turnCount: state.turnCount,
      saved: state.saved,
    },
    team: state.team,
    conversation: [...state.transcript.messages],
    turns: state.recent.map((turn) => turnView(turn, state)),
    context: context.toJSON(),
    usage: state.usage,
    segments: [...state.segments],
    ratings: [...state.ratings],
  };
}
