/** Messages from before the turns that are shown with their calls. */
import { useEffect, useState } from 'preact/hooks';
import type { Message } from '../../client.ts';
import { readTranscript } from '../api/api.ts';
import { Images } from '../files/file-links.tsx';
import { useAction } from '../state/use-action.ts';
import { Markdown } from '../text/markdown.tsx';
import { Problem } from '../text/states.tsx';
import { Visible } from '../text/visible.tsx';

/** How long events may take to come before their place is filled from the transcript. */
const PATIENCE_MS = 600;

export interface EarlierProps {
  readonly id: string;
  /** Number of the first turn that is shown otherwise. */
  readonly before: number;
  /** Whether so little is shown otherwise that these are read at once, as in a fork. */
  readonly isWanted: boolean;
}

export function Earlier({ id, before, isWanted }: EarlierProps) {
  const [messages, setMessages] = useState<readonly Message[]>();
  const { run, isRunning, error } = useAction();
  const read = (): void =>
    run(async () => {
      const { messages: all } = await readTranscript(id);
      setMessages(all.filter((message) => message.role !== 'tool'));
    });
  useEffect(() => {
    if (!isWanted || before <= 1) return undefined;
    const timer = window.setTimeout(read, PATIENCE_MS);
    return () => window.clearTimeout(timer);
  }, [id, isWanted, before]);
  if (before <= 1) return null;
  if (messages !== undefined) {
    return (
      <>
        {messages
          .filter((message) => message.role !== 'tool' && (message.turn ?? 0) < before)
          .map((message, index) => messageItem(id, message, index))}
      </>
    );
  }
  if (isWanted && error === undefined) return null;
  return (
    <div class="earlier">
      <button disabled={isRunning} onClick={read}>
        {isRunning ? 'Reading…' : 'Show earlier messages'}
      </button>
      <Problem error={error} />
    </div>
  );
}

function messageItem(sessionId: string, message: Message, index: number) {
  if (message.role === 'tool' || message.text === '') return null;
  if (message.role === 'assistant') return <Markdown key={index} text={message.text} />;
  if (message.kind !== undefined) {
    return (
      <details key={index} class="reasoning">
        <summary>{message.replaces ?? 0} older messages, as a summary</summary>
        <p>
          <Visible text={message.text} />
        </p>
      </details>
    );
  }
  return (
    <div key={index} class="message">
      <Images sessionId={sessionId} files={message.images ?? []} />
      <p class="message-text" dir="auto">
        <Visible text={message.text} />
      </p>
    </div>
  );
}
