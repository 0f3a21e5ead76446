/** How the spans of a turn hang together, whoever makes them: https://www.w3.org/TR/trace-context/#traceparent-header */
import { z } from 'zod';

/** The span under which a message was sent. */
export const Traceparent = z.stringFormat(
  'traceparent',
  /^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/,
);
export type Traceparent = z.infer<typeof Traceparent>;

/** What names the spans of a turn. */
export interface TracedTurn {
  readonly turnId: string;
  /** Of the message. Absent if its sender is not traced: the turn then has a trace that begins with itself. */
  readonly trace?: Traceparent;
  /** How often the turn was taken up again after it had ended, if it was: each time has spans of its own. */
  readonly takenUp?: number;
}

/** A part of a turn that has ended, as its session saw it. It has no text of people, models or tools. */
export interface SessionSpan extends TracedTurn {
  /** `gen_ai.operation.name`, or that a person was waited for. */
  readonly operation: 'invoke_workflow' | 'invoke_agent' | 'plan' | 'await_person';
  /** Name of the team or agent, or the kind of request. */
  readonly subject: string;
  /** Names the span in its turn, such as `step-2`. Empty: the turn itself. */
  readonly part: string;
  /** ISO times. */
  readonly startedAt: string;
  readonly endedAt: string;
  /** Type of the error that it ended with. */
  readonly error?: string;
  readonly attributes?: Readonly<Record<string, string | number>>;
}

/** Where workflow code hands its spans over. A worker that sends no traces drops them. */
export type TraceSink = { copilotTraces: { spanEnded(span: SessionSpan): void } };
