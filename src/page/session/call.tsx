/** A call of a model, with its text as it is written, or of a tool. */
import { memo } from 'preact/compat';
import type { CallShown } from '../state/session-fold.ts';
import { Markdown } from '../text/markdown.tsx';
import { Exact, Visible } from '../text/visible.tsx';

const MARKS: Readonly<Record<CallShown['status'], readonly [mark: string, words: string]>> = {
  running: ['◌', 'running'],
  ok: ['✓', 'done'],
  failed: ['✗', 'failed'],
  unknown: ['?', 'outcome unknown'],
};

/** Models often call tools without a word. */
export function showsSomething({ kind, text, reasoning, status, retry }: CallShown): boolean {
  return kind === 'tool' || text !== '' || reasoning !== '' || status === 'running' || retry !== undefined;
}

export const Call = memo(function Call({ call }: { readonly call: CallShown }) {
  if (!showsSomething(call)) return null;
  return call.kind === 'tool' ? <ToolCall call={call} /> : <ModelCall call={call} />;
});

function ToolCall({ call: { name, summary, status, progress, retry } }: { readonly call: CallShown }) {
  const [mark, words] = MARKS[status];
  // The summary of most tools begins with their name.
  const rest = summary.startsWith(name) ? summary.slice(name.length) : ` ${summary}`;
  return (
    <div class={`tool-call ${status}`}>
      <span class="mark" role="img" aria-label={words}>
        {mark}
      </span>
      <code>
        <strong>
          <Exact text={name} />
        </strong>
        <Exact text={rest} />
      </code>
      {progress === '' ? null : (
        <p class="tool-progress">
          <Visible text={progress} />
        </p>
      )}
      {retry === undefined ? null : <Retry why={retry} />}
    </div>
  );
}

function ModelCall({ call: { text, reasoning, status, isCut, retry } }: { readonly call: CallShown }) {
  const isRunning = status === 'running';
  return (
    <div class="model-call">
      {reasoning === '' ? null : (
        <details class="reasoning">
          <summary>{isRunning && text === '' ? 'Thinking…' : 'Thoughts'}</summary>
          <p>
            <Visible text={reasoning} />
          </p>
        </details>
      )}
      {isCut ? <p class="remark">… the beginning comes when the text is complete</p> : null}
      {text === '' ? null : <Markdown text={text} isRunning={isRunning} />}
      {isRunning && text === '' && reasoning === '' ? (
        <p class="writing" role="img" aria-label="The model is at work">
          <span />
          <span />
          <span />
        </p>
      ) : null}
      {retry === undefined ? null : <Retry why={retry} />}
    </div>
  );
}

function Retry({ why }: { readonly why: string }) {
  return (
    <p class="retry">
      ↻ tried again: <Visible text={why} />
    </p>
  );
}
