/** Separates the thinking that local models write into their answers from the answer. */

const OPENINGS = ['<think>', '<thinking>', '<thought>', '<reasoning>', '<|channel|>analysis<|message|>'];
const CLOSINGS = ['</think>', '</thinking>', '</thought>', '</reasoning>', '<|end|>'];
const LONGEST = Math.max(...[...OPENINGS, ...CLOSINGS].map((mark) => mark.length));

export interface ThinkingFilter {
  /** Takes the next piece of what the model writes. */
  add(delta: string): void;
  /** Ends the text. @returns the answer without thinking */
  finish(): string;
}

/** @param onText gets the answer as it comes; `onThinking` what stands in a thinking block at its start */
export function filterThinking(onText: (delta: string) => void, onThinking: (delta: string) => void): ThinkingFilter {
  let answer = '';
  /** What may still turn out to be the beginning of a mark. */
  let held = '';
  let state: 'start' | 'thinking' | 'answer' = 'start';

  const say = (text: string): void => {
    if (text === '') return;
    answer += text;
    onText(text);
  };
  const step = (isLast: boolean): boolean => {
    if (state === 'start') {
      const text = held.trimStart();
      const opening = OPENINGS.find((mark) => text.toLowerCase().startsWith(mark));
      if (opening !== undefined) {
        held = text.slice(opening.length);
        state = 'thinking';
        return true;
      }
      const mayBecome = !isLast && OPENINGS.some((mark) => mark.startsWith(text.toLowerCase()));
      if (mayBecome) return false;
      state = 'answer';
      return true;
    }
    if (state === 'thinking') {
      const found = firstOf(held, CLOSINGS);
      if (found) {
        onThinking(held.slice(0, found.index));
        held = held.slice(found.index + found.mark.length).trimStart();
        state = 'start';
        return held !== '' || isLast;
      }
      const sure = isLast ? held.length : Math.max(0, held.length - LONGEST);
      if (sure > 0) onThinking(held.slice(0, sure));
      held = held.slice(sure);
      return false;
    }
    say(held);
    held = '';
    return false;
  };

  return {
    add(delta) {
      held += delta;
      while (step(false));
    },
    finish() {
      while (step(true));
      // Some templates open the block themselves: the model writes only its end.
      const end = firstOf(answer, ['</think>', '</thinking>']);
      return end ? answer.slice(end.index + end.mark.length).trimStart() : answer;
    },
  };
}

function firstOf(text: string, marks: readonly string[]): { index: number; mark: string } | undefined {
  const lower = text.toLowerCase();
  return marks
    .map((mark) => ({ index: lower.indexOf(mark), mark }))
    .filter(({ index }) => index >= 0)
    .sort((a, b) => a.index - b.index)[0];
}
