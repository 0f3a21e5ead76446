/** Words for states, times and numbers. */
import type { Decision, RequestKind, SessionReport, TurnStatus, Usage, Verdict } from '../../client.ts';

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** Such as `3 min ago` or `in 2 h`. */
export function relativeTime(at: string, nowMs = Date.now()): string {
  const ms = Date.parse(at) - nowMs;
  const size = Math.abs(ms);
  if (size < 10 * SECOND) return 'just now';
  const words =
    size < MINUTE
      ? `${Math.round(size / SECOND)} s`
      : size < HOUR
        ? `${Math.round(size / MINUTE)} min`
        : size < 2 * DAY
          ? `${Math.round(size / HOUR)} h`
          : `${Math.round(size / DAY)} days`;
  return ms < 0 ? `${words} ago` : `in ${words}`;
}

export function duration(from: string, to: string): string {
  const ms = Math.max(0, Date.parse(to) - Date.parse(from));
  if (ms < 10 * SECOND) return `${(ms / SECOND).toFixed(1)} s`;
  if (ms < MINUTE) return `${Math.round(ms / SECOND)} s`;
  return ms < HOUR ? `${Math.round(ms / MINUTE)} min` : `${(ms / HOUR).toFixed(1)} h`;
}

export const localTime = (at: string): string => new Date(at).toLocaleString();

export const count = (number: number, noun: string): string =>
  `${number.toLocaleString('en')} ${noun}${number === 1 ? '' : 's'}`;

export const tokens = ({ inputTokens, outputTokens }: Usage): number => inputTokens + outputTokens;

export function money(dollars: number): string {
  return `$${dollars.toFixed(dollars < 0.1 ? 4 : 2)}`;
}

/** Such as `1.4 MB`. */
export function size(bytes: number): string {
  if (bytes < 1_000) return `${bytes} B`;
  const [unit, scale] =
    bytes < 1_000_000 ? ['kB', 1_000] : bytes < 1_000_000_000 ? ['MB', 1_000_000] : ['GB', 1_000_000_000];
  const amount = bytes / scale;
  return `${amount.toFixed(amount < 10 ? 1 : 0)} ${unit}`;
}

/** How a state looks: at rest, at work, waiting for a person, done, or broken. */
export type Tone = 'quiet' | 'busy' | 'asking' | 'done' | 'bad';

export const SESSION_TONES: Readonly<Record<SessionReport['status'], Tone>> = {
  active: 'done',
  suspended: 'asking',
  completed: 'quiet',
  expired: 'quiet',
  terminated: 'bad',
  failed: 'bad',
};

export const TURN_TONES: Readonly<Record<TurnStatus, Tone>> = {
  queued: 'quiet',
  running: 'busy',
  suspended: 'asking',
  'awaiting-approval': 'asking',
  'awaiting-input': 'asking',
  completed: 'done',
  failed: 'bad',
  interrupted: 'bad',
};

const PHASES: Readonly<Record<string, string>> = {
  init: 'New',
  idle: 'Ready',
  routing: 'Choosing who answers',
  'one-shot': 'Answering',
  planning: 'Planning',
  executing: 'Working on the plan',
  'awaiting-approval': 'Waits for a decision',
  'awaiting-input': 'Waits for an answer',
};

/** What the session does now. */
export function activityOf({ status, phase, step }: Pick<SessionReport, 'status' | 'phase' | 'step'>): string {
  if (status !== 'active') return status.charAt(0).toUpperCase() + status.slice(1);
  const words = PHASES[phase ?? 'idle'] ?? String(phase);
  return typeof step === 'number' && phase === 'executing' ? `${words}, step ${step}` : words;
}

export const KIND_WORDS: Readonly<Record<RequestKind, string>> = {
  plan: 'Approve a plan',
  'before-step': 'Begin a step',
  'after-step': 'Accept a step',
  tool: 'Allow a call',
  outcome: 'A call with an unknown outcome',
  budget: 'Raise the budget',
  input: 'A question',
  form: 'A form',
};

export const DECISION_WORDS: Readonly<Record<Decision, string>> = {
  approve: 'Approve',
  modify: 'Ask for changes',
  reject: 'Reject',
  skip: 'Skip the step',
  continue: 'Accept and go on',
  redo: 'Do it again',
  once: 'Allow once',
  session: 'Allow for this session',
  deny: 'Deny',
  done: 'It was done',
  'not-done': 'It was not done',
  'try-again': 'Try again',
  raise: 'Raise the budget',
  stop: 'Stop here',
  answer: 'Answer',
  accept: 'Send',
  decline: 'Decline',
  cancel: 'Cancel',
};

const SUBJECTS: Readonly<Record<RequestKind, string>> = {
  plan: 'Plan',
  'before-step': 'Step',
  'after-step': 'Step',
  tool: 'Call',
  outcome: 'Call',
  budget: 'Budget',
  input: 'Question',
  form: 'Form',
};

const VERDICTS: Readonly<Record<Verdict['decision'], string>> = {
  approve: 'approved',
  modify: 'sent back for changes',
  reject: 'rejected',
  skip: 'skipped',
  continue: 'accepted',
  redo: 'to be done again',
  once: 'allowed once',
  session: 'allowed for this session',
  deny: 'denied',
  done: 'was done',
  'not-done': 'was not done',
  'try-again': 'to be tried again',
  raise: 'raised',
  stop: 'not raised',
  answer: 'answered',
  accept: 'sent',
  decline: 'declined',
  cancel: 'left open',
  expired: 'expired',
  withdrawn: 'withdrawn',
};

/** The modes that every team has. */
export const MODES = [
  ['copilot', 'answers, or plans if the task needs it'],
  ['planning-control', 'makes a plan of every message'],
  ['hitl-interactive', 'plans; asks about the plan, each step and each result'],
  ['one-shot', 'one answer, no plan'],
] as const;

/** Such as `Plan approved`. */
export const verdictWords = (kind: RequestKind, decision: Verdict['decision']): string =>
  `${SUBJECTS[kind]} ${VERDICTS[decision]}`;
