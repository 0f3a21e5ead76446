/** One turn: the message of a person, what was done for it, and the answer. */
import { memo } from 'preact/compat';
import type { TurnView } from '../../client.ts';
import { fork, unqueue } from '../api/api.ts';
import { FileLinks, Images } from '../files/file-links.tsx';
import { goTo, sessionAddress } from '../state/place.ts';
import { type CallShown, isOver, isOvertaken, type Item, type TurnShown } from '../state/session-fold.ts';
import { useAction } from '../state/use-action.ts';
import { Markdown } from '../text/markdown.tsx';
import { Banner, Chip, Problem } from '../text/states.tsx';
import { Visible } from '../text/visible.tsx';
import { count, duration, money, tokens, TURN_TONES, verdictWords } from '../text/words.ts';
import { Call } from './call.tsx';
import { Plan } from './plan.tsx';

export interface TurnProps {
  readonly turn: TurnShown;
  /** The same as the session sums it up. */
  readonly view: TurnView | undefined;
  readonly text: string;
  /** Whether a request asks for its plan now. */
  readonly isAsked: boolean;
  readonly sessionId: string;
  readonly mayWrite: boolean;
  readonly onChanged: () => void;
}

export const Turn = memo(function Turn({ turn, view, text, isAsked, sessionId, mayWrite, onChanged }: TurnProps) {
  const { run, error } = useAction(onChanged);
  const status = view?.status ?? turn.status;
  const isQueued = status === 'queued';
  // A message can be taken back, and a session can end before it begins.
  const hasRun = turn.number > 0;
  return (
    <article
      class="turn"
      aria-label={isQueued ? 'Queued message' : hasRun ? `Turn ${turn.number}` : 'Message that did not run'}
    >
      <div class={hasRun ? 'message' : 'message queued'}>
        <Images sessionId={sessionId} files={view?.images ?? []} />
        <p class="message-text" dir="auto">
          {text === '' ? 'A message that waits' : <Visible text={text} />}
        </p>
        {isQueued && mayWrite && turn.messageId !== '' ? (
          <button class="plain" onClick={() => run(() => unqueue(sessionId, turn.messageId))}>
            Take back
          </button>
        ) : null}
      </div>
      {turn.items.map((item) => (
        <TurnItem key={keyOf(item)} item={item} {...{ turn, view, status, isAsked, sessionId, mayWrite, onChanged }} />
      ))}
      {view ? <Outcome sessionId={sessionId} turn={turn} view={view} /> : null}
      <Problem error={error} />
      {hasRun || isQueued ? null : <p class="remark">This message did not run.</p>}
      {view && hasRun && isOver(status) ? (
        <footer class="turn-facts">
          {status === 'completed' ? null : <Chip tone={TURN_TONES[status]}>{status}</Chip>}
          <Facts view={view} />
          {mayWrite ? (
            <button
              class="plain"
              title="A new session that knows the conversation up to here"
              onClick={() => run(async () => goTo(sessionAddress((await fork(sessionId, { turn: turn.number })).id)))}
            >
              Fork here
            </button>
          ) : null}
        </footer>
      ) : null}
    </article>
  );
});

const keyOf = (item: Item): string =>
  item.type === 'call'
    ? item.id
    : item.type === 'request'
      ? item.request.id
      : item.type + ('text' in item ? item.text : '');

interface TurnItemProps extends Omit<TurnProps, 'text'> {
  readonly item: Item;
  readonly status: TurnView['status'];
}

function TurnItem({ item, turn, view, status, isAsked, sessionId, mayWrite, onChanged }: TurnItemProps) {
  switch (item.type) {
    case 'plan':
      // The request shows it, whole.
      if (isAsked) return null;
      return <Plan turn={turn} sessionId={sessionId} mayEdit={mayWrite && !isOver(status)} onChanged={onChanged} />;
    case 'remark':
      return <p class="remark">{item.text}</p>;
    case 'request':
      if (item.verdict === undefined) return null;
      return (
        <p class="remark">
          {verdictWords(item.request.kind, item.verdict.decision)} by <Visible text={item.verdict.by} />
        </p>
      );
    case 'call': {
      const call = turn.calls[item.id];
      // Those of steps are shown in the plan.
      return call === undefined || isInPlan(turn, call) || isOvertaken(call, view) ? null : <Call call={call} />;
    }
  }
}

const isInPlan = ({ steps }: TurnShown, { step }: CallShown): boolean => steps.some(({ number }) => number === step);

interface OutcomeProps extends Pick<TurnProps, 'sessionId' | 'turn'> {
  readonly view: TurnView;
}

/** The answer, unless the last call has shown it already; and why there is none. */
function Outcome({ sessionId, turn, view }: OutcomeProps) {
  const { reply, error, questions, artifacts } = view;
  const calls = turn.items.flatMap((item) => (item.type === 'call' ? [turn.calls[item.id]] : []));
  const isShown = calls.some(
    (call) => call?.kind === 'model' && !isInPlan(turn, call) && call.text.trim() === reply.trim(),
  );
  const isAsking = questions.length > 0 && reply === '';
  return (
    <>
      {reply === '' || isShown ? null : <Markdown text={reply} />}
      {isAsking ? <Markdown text={questions.map((question) => `- ${question}`).join('\n')} /> : null}
      <FileLinks sessionId={sessionId} files={artifacts.map((path) => ({ path }))} label="Files written" />
      {error ? (
        <Banner tone="bad">
          <strong>{error.type}.</strong> <Visible text={error.message} />
        </Banner>
      ) : null}
    </>
  );
}

function Facts({ view: { usage, cost, startedAt, endedAt } }: { readonly view: TurnView }) {
  const facts = [
    ...(startedAt === undefined || endedAt === undefined ? [] : [duration(startedAt, endedAt)]),
    count(tokens(usage), 'token'),
    ...(cost === undefined ? [] : [money(cost)]),
  ];
  return <span>{facts.join(' · ')}</span>;
}
