/** What the page shows of a session's turns, folded from its events. Nothing here knows the browser. */
import type { FollowEvent, PendingRequest, Step, TurnStatus, TurnView, Verdict } from '../../client.ts';

/** A call of a model or a tool. */
export interface CallShown {
  readonly kind: 'model' | 'tool';
  readonly id: string;
  readonly step: number | undefined;
  /** The agent, or the tool. */
  readonly name: string;
  /** What a tool was called for, in one line. */
  readonly summary: string;
  readonly status: 'running' | 'ok' | 'failed' | 'unknown';
  readonly text: string;
  readonly reasoning: string;
  /** Whether the text begins before what the page was given. */
  readonly isCut: boolean;
  /** How far a tool has come, in its words. */
  readonly progress: string;
  /** Why it is being tried again. */
  readonly retry: string | undefined;
}

export interface StepShown extends Pick<Step, 'number' | 'agent' | 'task' | 'status' | 'summary'> {
  readonly attempt: number;
}

/** What a turn shows, in the order in which it happened. */
export type Item =
  | { readonly type: 'call'; readonly id: string }
  | { readonly type: 'plan' }
  | { readonly type: 'remark'; readonly text: string }
  | { readonly type: 'request'; readonly request: PendingRequest; readonly verdict?: Pick<Verdict, 'decision' | 'by'> };

export interface TurnShown {
  readonly id: string;
  /** 0 while it is queued. */
  readonly number: number;
  readonly messageId: string;
  readonly text: string;
  readonly status: TurnStatus;
  readonly startedAt: string | undefined;
  readonly steps: readonly StepShown[];
  readonly calls: Readonly<Record<string, CallShown>>;
  readonly items: readonly Item[];
}

export interface Fold {
  readonly turns: readonly TurnShown[];
  /** Remarks of the session itself. */
  readonly notes: readonly string[];
}

export const isOver = (status: TurnStatus): boolean => ['completed', 'failed', 'interrupted'].includes(status);

/**
 * Whether the session has told the answer of a turn before the event that ends this call has come. Then the answer is
 * shown in place of the call, which has a part of it.
 */
export function isOvertaken({ kind, status, text }: CallShown, view: TurnView | undefined): boolean {
  if (view === undefined || view.reply === '' || !isOver(view.status)) return false;
  return kind === 'model' && status === 'running' && view.reply.includes(text.trim());
}

export const NOTHING: Fold = { turns: [], notes: [] };

export function foldEvents(fold: Fold, events: readonly FollowEvent[]): Fold {
  return events.reduce(foldEvent, fold);
}

/** The same of a session that has ended. One that was ended from outside tells no end of its turns. */
export function endFold(fold: Fold): Fold {
  const end = (turn: TurnShown): TurnShown =>
    isOver(turn.status) ? turn : { ...turn, status: 'interrupted', calls: settle(turn.calls) };
  return { ...fold, turns: fold.turns.map(end) };
}

function foldEvent(fold: Fold, event: FollowEvent): Fold {
  switch (event.type) {
    case 'session':
      return fold;
    case 'note':
      return { ...fold, notes: [...fold.notes.slice(-19), event.text] };
    case 'compacted': {
      const last = fold.turns.at(-1);
      const text = `${event.messages} older messages were summarised for the models.`;
      return last === undefined ? fold : change(fold, last.id, (turn) => remark(turn, text));
    }
    case 'queued':
      return change(fold, event.turnId, (turn) => ({ ...turn, messageId: event.messageId }));
    case 'turn-started':
      return change(fold, event.turnId, (turn) => ({
        ...turn,
        number: event.number,
        text: event.text,
        status: 'running',
        startedAt: turn.startedAt ?? event.at,
      }));
    default:
      return change(fold, event.turnId, (turn) => foldTurn(turn, event));
  }
}

type TurnEvent = Exclude<FollowEvent, { type: 'session' | 'note' | 'compacted' | 'queued' | 'turn-started' }>;

function foldTurn(turn: TurnShown, event: TurnEvent): TurnShown {
  switch (event.type) {
    case 'planned':
      return {
        ...turn,
        steps: event.steps.map((step) => ({ ...step, status: 'pending', summary: '', attempt: 0 })),
        items: turn.items.some(({ type }) => type === 'plan') ? turn.items : [...turn.items, { type: 'plan' }],
      };
    case 'step-started':
      return withStep(turn, event.step, {
        agent: event.agent,
        task: event.task,
        attempt: event.attempt,
        status: 'in-progress',
      });
    case 'step-ended':
      return withStep(turn, event.step, { status: event.status, summary: event.summary });
    case 'routed':
      return turn;
    case 'handed-off':
      return remark(turn, `${event.from} handed over to ${event.to}.`);
    case 'plan-edited':
      return remark(turn, 'The plan was changed.');
    case 'request':
      return {
        ...turn,
        items: [...withoutRequest(turn, event.request.id), { type: 'request', request: event.request }],
      };
    case 'decided':
      return decided(turn, event.requestId, { decision: event.decision, by: event.by });
    case 'turn-ended':
      return { ...turn, status: event.status, number: event.number, calls: settle(turn.calls) };
    default:
      return foldCall(turn, event);
  }
}

type CallEvent = Extract<
  TurnEvent,
  {
    type:
      | 'model-started'
      | 'model-ended'
      | 'tool-started'
      | 'tool-progress'
      | 'tool-ended'
      | 'token'
      | 'reasoning'
      | 'reset'
      | 'retry';
  }
>;

function foldCall(turn: TurnShown, event: CallEvent): TurnShown {
  switch (event.type) {
    case 'model-started':
      return begin(turn, { ...newCall('model', event.activityId, event.step), name: event.agent });
    case 'tool-started': {
      const { activityId, step, tool: name, summary } = event;
      return begin(turn, { ...newCall('tool', activityId, step), name, summary });
    }
    case 'model-ended':
      return withCall(turn, event, { status: 'ok', text: event.text, isCut: false, retry: undefined });
    case 'tool-progress': {
      const { text, done, total } = event;
      const share = done === undefined || total === undefined ? '' : ` (${done} of ${total})`;
      return withCall(turn, event, { name: event.tool, progress: text + share, retry: undefined });
    }
    case 'tool-ended':
      return withCall(turn, event, { status: event.status, progress: '', retry: undefined });
    case 'token':
    case 'reasoning': {
      const part = event.type === 'token' ? 'text' : 'reasoning';
      const before = turn.calls[event.activityId];
      const shown = before?.[part] ?? '';
      const isCut = part === 'text' ? shown === '' && event.offset > 0 : false;
      return withCall(turn, event, {
        [part]: shown + event.text,
        retry: undefined,
        ...(isCut ? { isCut } : {}),
      });
    }
    case 'reset':
      return withCall(turn, event, { text: '', reasoning: '', isCut: false });
    case 'retry':
      return withCall(turn, event, { retry: event.error.message });
  }
}

const newCall = (kind: CallShown['kind'], id: string, step: number | undefined): CallShown => ({
  kind,
  id,
  step,
  name: '',
  summary: '',
  status: 'running',
  text: '',
  reasoning: '',
  isCut: false,
  progress: '',
  retry: undefined,
});

/** A step that is repeated has calls with the same ids: the new one is shown at the end. */
function begin(turn: TurnShown, call: CallShown): TurnShown {
  const items = turn.items.filter((item) => item.type !== 'call' || item.id !== call.id);
  return { ...turn, calls: { ...turn.calls, [call.id]: call }, items: [...items, { type: 'call', id: call.id }] };
}

function withCall(
  turn: TurnShown,
  { activityId, ...event }: { readonly activityId: string; readonly type: string; readonly step?: number | undefined },
  changes: Partial<CallShown>,
): TurnShown {
  const kind = event.type.startsWith('tool') ? 'tool' : 'model';
  // The page may have come after the call had begun.
  const known = turn.calls[activityId] === undefined ? begin(turn, newCall(kind, activityId, event.step)) : turn;
  const call = known.calls[activityId] ?? newCall(kind, activityId, event.step);
  return { ...known, calls: { ...known.calls, [activityId]: { ...call, ...changes } } };
}

function settle(calls: TurnShown['calls']): TurnShown['calls'] {
  return Object.fromEntries(
    Object.entries(calls).map(([id, call]) => [
      id,
      call.status === 'running' ? { ...call, status: 'failed', retry: undefined } : call,
    ]),
  );
}

function withStep(turn: TurnShown, number: number, changes: Partial<StepShown>): TurnShown {
  const known = turn.steps.some((step) => step.number === number);
  const empty: StepShown = { number, agent: '', task: '', status: 'pending', summary: '', attempt: 1 };
  const steps = known ? turn.steps : [...turn.steps, empty];
  return { ...turn, steps: steps.map((step) => (step.number === number ? { ...step, ...changes } : step)) };
}

const remark = (turn: TurnShown, text: string): TurnShown => ({
  ...turn,
  items: [...turn.items, { type: 'remark', text }],
});

const withoutRequest = ({ items }: TurnShown, id: string): readonly Item[] =>
  items.filter((item) => item.type !== 'request' || item.request.id !== id);

function decided(turn: TurnShown, requestId: string, verdict: Pick<Verdict, 'decision' | 'by'>): TurnShown {
  const decide = (item: Item): Item =>
    item.type === 'request' && item.request.id === requestId ? { ...item, verdict } : item;
  return { ...turn, items: turn.items.map(decide) };
}

function change(fold: Fold, id: string, edit: (turn: TurnShown) => TurnShown): Fold {
  const index = fold.turns.findIndex((turn) => turn.id === id);
  const turn = fold.turns[index] ?? newTurn(id);
  const turns = index === -1 ? [...fold.turns, edit(turn)] : fold.turns.with(index, edit(turn));
  return { ...fold, turns };
}

const newTurn = (id: string): TurnShown => ({
  id,
  number: 0,
  messageId: '',
  text: '',
  status: 'queued',
  startedAt: undefined,
  steps: [],
  calls: {},
  items: [],
});
