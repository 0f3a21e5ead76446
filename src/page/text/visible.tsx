/** Text of others as it is, with marks for what cannot be seen. */
import { visible, visibleWithBlanks } from '../../contracts/visible-text.ts';

/** A mark that stands in the place of a character. */
const MARK = /([\u2400-\u2421]|<U\+[0-9A-F]{4,6}>)/;

/** One run of text. Its direction does not reach into what stands around it. */
export function Visible({ text }: { readonly text: string }) {
  return <bdi>{visible(text)}</bdi>;
}

/** The same for text about which a person decides: blanks that are no spaces have marks, too. */
export function Exact({ text }: { readonly text: string }) {
  return <bdi>{visibleWithBlanks(text)}</bdi>;
}

/** The same for a sentence of the program, which has names of commands between backticks. */
export function Sentence({ text }: { readonly text: string }) {
  const parts = visible(text).split('`');
  return <bdi>{parts.map((part, index) => (index % 2 === 1 ? <code key={index}>{part}</code> : part))}</bdi>;
}

/**
 * A whole text in monospace, from left to right, with hidden characters marked: what runs is what is read. Several lines
 * have numbers, so that a line that was wrapped is not taken for two, nor the next line for the rest of it.
 */
export function Code({ text, label }: { readonly text: string; readonly label?: string }) {
  const lines = visibleWithBlanks(text).split('\n');
  return (
    <pre class="code" dir="ltr" tabIndex={0} role="group" aria-label={label ?? 'text'}>
      {lines.length === 1 ? (
        <Marked text={text} />
      ) : (
        lines.map((line, index) => (
          <span key={index} class="code-line">
            <Marked text={line} />
            {index < lines.length - 1 ? '\n' : ''}
          </span>
        ))
      )}
    </pre>
  );
}

function Marked({ text }: { readonly text: string }) {
  const parts = visibleWithBlanks(text).split(MARK);
  return (
    <>
      {parts.map((part, index) =>
        index % 2 === 1 ? (
          <mark key={index} title="a character that cannot be seen, or a blank that is no space">
            {part}
          </mark>
        ) : (
          part
        ),
      )}
    </>
  );
}
