/** Where a person writes: a message, an answer, or one that goes before what is running. */
import { useRef, useState } from 'preact/hooks';
import type { SessionReport, TurnView } from '../../client.ts';
import { continueSession, fork, interrupt, sendMessage } from '../api/api.ts';
import { goTo, sessionAddress } from '../state/place.ts';
import { useAction } from '../state/use-action.ts';
import { isClosed } from '../state/use-session.ts';
import { Problem } from '../text/states.tsx';

export interface ComposerProps {
  readonly report: SessionReport;
  /** The newest one that has begun. */
  readonly turn: TurnView | undefined;
  readonly onSent: (messageId: string, text: string) => void;
  readonly onChanged: () => void;
}

export function Composer(props: ComposerProps) {
  return isClosed(props.report) ? <Closed {...props.report} /> : <Writing {...props} />;
}

function Writing({ report, turn, onSent, onChanged }: ComposerProps) {
  const { id, status } = report;
  const [text, setText] = useState('');
  const { run, isRunning, error } = useAction(onChanged);
  // Until it is sent, so that another try is the same message.
  const messageId = useRef(crypto.randomUUID());
  const isBusy = turn?.status === 'running';
  const isAsked = turn?.status === 'awaiting-input';
  const give = (deliver: (message: string, as: string) => Promise<unknown>): void => {
    const message = text;
    if (message.trim() === '') return;
    run(async () => {
      onSent(messageId.current, message);
      await deliver(message, messageId.current);
      messageId.current = crypto.randomUUID();
      setText('');
    });
  };
  const send = (event: Event): void => {
    event.preventDefault();
    give((message, as) => sendMessage(id, message, as));
  };
  return (
    <form class="composer" onSubmit={send}>
      <Problem error={error} />
      <textarea
        aria-label={isAsked ? 'Your answer' : 'Message'}
        placeholder={hintOf(status, isAsked, isBusy)}
        rows={Math.min(8, Math.max(1, text.split('\n').length))}
        value={text}
        onInput={(event) => setText(event.currentTarget.value)}
        onKeyDown={(event) => {
          if (isSendKey(event)) send(event);
        }}
      />
      <div class="composer-actions">
        {status === 'active' && turn?.status === 'failed' ? (
          <button type="button" disabled={isRunning} onClick={() => run(() => continueSession(id))}>
            Try the turn again
          </button>
        ) : null}
        {isBusy && text.trim() !== '' ? (
          <button
            type="button"
            disabled={isRunning}
            title="Stops what is running, keeps its text, and goes on with this message"
            onClick={() => give((message, as) => interrupt(id, message, as))}
          >
            Interrupt and send
          </button>
        ) : null}
        <button class="primary" disabled={isRunning || text.trim() === ''}>
          {isRunning ? 'Sending…' : isAsked ? 'Answer' : isBusy ? 'Queue' : 'Send'}
        </button>
      </div>
    </form>
  );
}

const isSendKey = ({ key, shiftKey, isComposing }: KeyboardEvent): boolean =>
  key === 'Enter' && !shiftKey && !isComposing;

function hintOf(status: SessionReport['status'], isAsked: boolean, isBusy: boolean): string {
  if (status === 'suspended') return 'The session is suspended. A message waits until it continues.';
  if (isAsked) return 'Your answer';
  return isBusy ? 'The next message, or one that changes the course' : 'Message';
}

function Closed({ id, status }: Pick<SessionReport, 'id' | 'status'>) {
  const { run, isRunning, error } = useAction();
  return (
    <div class="composer closed">
      <p>This session is {status}. It takes no more messages.</p>
      <button disabled={isRunning} onClick={() => run(async () => goTo(sessionAddress((await fork(id)).id)))}>
        Fork it to go on
      </button>
      <Problem error={error} />
    </div>
  );
}
