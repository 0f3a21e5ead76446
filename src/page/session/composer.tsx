/** Where a person writes: a message, an answer, or one that goes before what is running. */
import { useRef, useState } from 'preact/hooks';
import type { SessionReport, TurnView } from '../../client.ts';
import { continueSession, fork, interrupt, type NewMessage, sendMessage } from '../api/api.ts';
import { AttachedFiles, ChooseFiles } from '../files/attached-files.tsx';
import { takePasted } from '../files/incoming-files.ts';
import type { Attachments } from '../files/use-attachments.ts';
import { goTo, sessionAddress } from '../state/place.ts';
import { useAction } from '../state/use-action.ts';
import { isClosed } from '../state/use-session.ts';
import { Problem } from '../text/states.tsx';

export interface ComposerProps {
  readonly report: SessionReport;
  /** The newest one that has begun. */
  readonly turn: TurnView | undefined;
  readonly attachments: Attachments;
  readonly onSent: (messageId: string, text: string) => void;
  readonly onChanged: () => void;
}

export function Composer(props: ComposerProps) {
  return isClosed(props.report) ? <Closed {...props.report} /> : <Writing {...props} />;
}

const SEND_AGAIN = 'Perhaps the message has arrived. Send it again: it counts once.';

function Writing({ report, turn, attachments, onSent, onChanged }: ComposerProps) {
  const { id, status } = report;
  const [text, setText] = useState('');
  const { run, isRunning, error } = useAction(onChanged, SEND_AGAIN);
  // Until it is sent, so that another try is the same message.
  const messageId = useRef(crypto.randomUUID());
  const isBusy = turn?.status === 'running';
  const hasFailed = status === 'active' && turn?.status === 'failed';
  const isAsked = turn?.status === 'awaiting-input';
  const files = attachments.all.flatMap(({ path }) => path ?? []);
  const canSend = !isRunning && !attachments.isSending && (text.trim() !== '' || files.length > 0);
  const give = (deliver: (message: NewMessage) => Promise<unknown>): void => {
    if (!canSend) return;
    run(async () => {
      onSent(messageId.current, text);
      await deliver({ text, messageId: messageId.current, files });
      messageId.current = crypto.randomUUID();
      setText('');
      attachments.clear();
    });
  };
  const send = (event: Event): void => {
    event.preventDefault();
    give((message) => sendMessage(id, message));
  };
  return (
    <form class="composer" onSubmit={send}>
      <Problem error={error} />
      <AttachedFiles files={attachments.all} onRemove={attachments.remove} />
      <ChooseFiles label="Attach files" isShort onFiles={attachments.add} />
      <textarea
        aria-label={isAsked ? 'Your answer' : 'Message'}
        placeholder={hintOf(status, isAsked, isBusy)}
        rows={Math.min(8, Math.max(1, text.split('\n').length))}
        value={text}
        onInput={(event) => setText(event.currentTarget.value)}
        onPaste={(event) => takePasted(event, attachments.add)}
        onKeyDown={(event) => {
          if (isSendKey(event)) send(event);
        }}
      />
      <div class="composer-actions">
        {hasFailed ? <TryAgain isRunning={isRunning} onClick={() => run(() => continueSession(id))} /> : null}
        {isBusy && canSend ? (
          <button
            type="button"
            title="Stops what is running, keeps its text, and goes on with this message"
            onClick={() => give((message) => interrupt(id, message))}
          >
            Interrupt and send
          </button>
        ) : null}
        <button class="primary" disabled={!canSend}>
          {isRunning ? 'Sending…' : isAsked ? 'Answer' : isBusy ? 'Queue' : 'Send'}
        </button>
      </div>
    </form>
  );
}

function TryAgain({ isRunning, onClick }: { readonly isRunning: boolean; readonly onClick: () => void }) {
  return (
    <button type="button" disabled={isRunning} onClick={onClick}>
      Try the turn again
    </button>
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
