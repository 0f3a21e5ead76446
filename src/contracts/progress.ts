/**
 * What happens in a session, as followers see it. The workflow keeps these in memory, numbered without
 * gaps over all runs; replay makes the same ones again, so that they cost no history.
 */
import type { DirectAddress } from './direct-text.ts';
import type { PendingRequest, Verdict } from './request.ts';
import type { SessionStatus } from './session.ts';
import type { Step, Route, TurnStatus } from './turn.ts';
import { endingOf } from './text-cut.ts';

interface Numbered {
  readonly seq: number;
  /** ISO time. */
  readonly at: string;
}

export type ProgressChange =
  | { readonly type: 'session'; readonly status: SessionStatus; readonly reason?: string }
  | { readonly type: 'queued'; readonly turnId: string; readonly messageId: string }
  | { readonly type: 'turn-started'; readonly turnId: string; readonly number: number; readonly text: string }
  | {
      readonly type: 'routed';
      readonly turnId: string;
      readonly route: Route;
      readonly agent: string;
      readonly reason: string;
    }
  | {
      readonly type: 'planned';
      readonly turnId: string;
      readonly steps: readonly Pick<Step, 'number' | 'agent' | 'task'>[];
    }
  | {
      readonly type: 'step-started';
      readonly turnId: string;
      readonly step: number;
      readonly agent: string;
      readonly task: string;
      readonly attempt: number;
    }
  | {
      readonly type: 'step-ended';
      readonly turnId: string;
      readonly step: number;
      readonly status: Step['status'];
      readonly summary: string;
    }
  /** A model call whose text can be followed while it runs, by the heartbeats of `activityId`. */
  | {
      readonly type: 'model-started';
      readonly turnId: string;
      readonly activityId: string;
      readonly agent: string;
      readonly step?: number;
    }
  | {
      readonly type: 'model-ended';
      readonly turnId: string;
      readonly activityId: string;
      readonly text: string;
      /** The end of what the model showed of its reasoning. */
      readonly reasoning?: Excerpt;
      readonly step?: number;
    }
  | {
      readonly type: 'tool-started';
      readonly turnId: string;
      readonly activityId: string;
      readonly tool: string;
      readonly summary: string;
      readonly step?: number;
    }
  | {
      readonly type: 'tool-ended';
      readonly turnId: string;
      readonly activityId: string;
      readonly status: 'ok' | 'failed' | 'unknown';
      readonly step?: number;
    }
  | { readonly type: 'request'; readonly turnId: string; readonly request: PendingRequest }
  | {
      readonly type: 'decided';
      readonly turnId: string;
      readonly requestId: string;
      readonly decision: Verdict['decision'];
      readonly by: string;
    }
  | {
      readonly type: 'handed-off';
      readonly turnId: string;
      readonly from: string;
      readonly to: string;
      readonly step?: number;
    }
  | { readonly type: 'plan-edited'; readonly turnId: string }
  /** Older messages were summarised for the models. */
  | { readonly type: 'compacted'; readonly messages: number }
  | { readonly type: 'turn-ended'; readonly turnId: string; readonly number: number; readonly status: TurnStatus }
  | { readonly type: 'note'; readonly text: string };

export type ProgressEvent = Numbered & ProgressChange;

/** Answer to the `progress` query: events from `from` on, as far as this run still has them. */
export interface ProgressPage {
  readonly runId: string;
  /** Number of the first event this run made; lower ones are in the run before. */
  readonly first: number;
  /** Number that the next event will have. */
  readonly next: number;
  readonly events: readonly ProgressEvent[];
}

/** The latest part of a text that grows. */
export interface Excerpt {
  /** Position in the whole text of the first character of `text`, in UTF-16 units. */
  readonly offset: number;
  readonly text: string;
}

/** The last `max` UTF-16 units of a text. */
export function endOf(text: string, max: number): Excerpt {
  const end = endingOf(text, max);
  return { offset: text.length - end.length, text: end };
}

/** How far a call of a tool has come. */
export interface ToolProgress {
  /** One line for people, at most 500 characters. */
  readonly text: string;
  /** How much is done, in any unit. */
  readonly done?: number | undefined;
  /** How much there is to do, in the same unit. */
  readonly total?: number | undefined;
}

/** What a call of a tool reports by heartbeat. */
export interface ToolHeartbeat {
  readonly tool: string;
  readonly step?: number | undefined;
  readonly progress: ToolProgress;
}

/** What a streaming model call reports by heartbeat: the last 8 KiB of its text, and of its reasoning. */
export interface StreamHeartbeat extends Excerpt {
  /** Attempt of the activity, from 1: text of a lower attempt is void. */
  readonly attempt: number;
  readonly reasoning?: Excerpt | undefined;
  /** Where followers that reach the worker get the text as it is written. */
  readonly direct?: DirectAddress | undefined;
  /** Whether nobody is known to read these heartbeats, so that there is only one in 2 s. */
  readonly isSlow?: true | undefined;
}
