/** What a session tells a workflow that asked it something. */
import { defineSignal } from './define-message.ts';
import type { ErrorDetails, ErrorType } from './errors.ts';
import type { SessionResult } from './session.ts';
import type { TurnView } from './turn.ts';

/** An error of the table in `errors.ts`. */
export interface Refusal {
  readonly type: ErrorType;
  readonly details: ErrorDetails;
}

/** The outcome of a message, or why it was refused; or the result of a session that has ended. */
export type SessionAnswer = { readonly sessionId: string } & (
  | { readonly kind: 'turn'; readonly messageId: string; readonly turn: TurnView }
  | { readonly kind: 'refused'; readonly messageId: string; readonly error: Refusal }
  | { readonly kind: 'result'; readonly result: SessionResult }
);

export const sessionAnswer = defineSignal<[SessionAnswer]>('copilotAnswer');
