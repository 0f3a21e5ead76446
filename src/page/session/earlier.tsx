/** Messages from before the turns that are shown with their calls. */
import { useState } from 'preact/hooks';
import type { Message } from '../../client.ts';
import { readTranscript } from '../api/api.ts';
import { useAction } from '../state/use-action.ts';
import { Markdown } from '../text/markdown.tsx';
import { Problem } from '../text/states.tsx';
import { Visible } from '../text/visible.tsx';

/** @param before number of the first turn that is shown otherwise */
export function Earlier({ id, before }: { readonly id: string; readonly before: number | undefined }) {
  const [messages, setMessages] = useState<readonly Message[]>();
  const { run, isRunning, error } = useAction();
  if (before === undefined || before <= 1) return null;
  if (messages !== undefined) return <>{messages.map((message, index) => messageItem(message, index))}</>;
  const read = async (): Promise<void> => {
    const { messages: all } = await readTranscript(id);
    setMessages(all.filter((message) => message.role !== 'tool' && (message.turn ?? 0) < before));
  };
  return (
    <div class="earlier">
      <button disabled={isRunning} onClick={() => run(read)}>
        {isRunning ? 'Reading…' : 'Show earlier messages'}
      </button>
      <Problem error={error} />
    </div>
  );
}

function messageItem(message: Message, index: number) {
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
      <p class="message-text" dir="auto">
        <Visible text={message.text} />
      </p>
    </div>
  );
}
