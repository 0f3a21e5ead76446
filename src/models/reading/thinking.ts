/** Separates the thinking that local models write into their answers from the answer. */

/** How a block begins and ends in the templates of the known families. */
const BLOCKS: readonly (readonly [opening: string, closing: RegExp])[] = [
  ...['<think>', '<thinking>', '<thought>', '<reasoning>', '<seed:think>'].map(
    (tag) => [tag, /<\/(?:think|thinking|thought|reasoning|seed:think)>/i] as const,
  ),
  ['[think]', /\[\/THINK\]/i],
  ['◁think▷', /◁\/think▷/i],
  ['<|start_thinking|>', /<\|END_THINKING\|>/i],
  ['<|begin_of_thought|>', /<\|end_of_thought\|>/i],
  ['<|channel|>analysis<|message|>', /<\|end\|>/i],
  ['<|channel>thought', /<channel\|>/i],
];
/** What may stand between the thinking and the answer. */
const STARTS = [
  '<|start|>assistant',
  '<|im_start|>assistant',
  '<|start_header_id|>assistant<|end_header_id|>',
  '<|channel|>final<|message|>',
  '<|start_response|>',
  '<|begin_of_solution|>',
];
const MARKS = [...BLOCKS.map(([opening]) => opening), ...STARTS];
const LONGEST = 50;
/** Tokens behind the answer that a server did not take away. */
const END =
  /(?:<\|(?:return|end|im_end|eot_id|eom_id|endoftext|end_of_text|END_RESPONSE|end_of_solution|END_OF_TURN_TOKEN)\|>|<end_of_turn>|<\/s>)$/;

/** The end of a block whose beginning the template wrote itself; in quotes or backticks it is spoken of. */
const LONE_END = /(?<![`'"])(?:<\/think(?:ing)?>|\[\/THINK\]|◁\/think▷)(?![`'"])/i;
const LATER_BLOCK = /^[ \t]{0,9}<(think|thinking)>((?:(?!<think)[\s\S])*?)<\/\1>\s{0,99}/gim;
const BEGIN = /<think(?:ing)?>|\[THINK\]|◁think▷/i;

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
  let closing: RegExp | undefined;
  let hasThought = false;

  const say = (text: string): void => {
    if (text === '') return;
    answer += text;
    onText(text);
  };
  const step = (isLast: boolean): boolean => {
    if (state === 'start') {
      const text = held.trimStart();
      const lower = text.slice(0, LONGEST + 1).toLowerCase();
      const mark = MARKS.find((known) => lower.startsWith(known));
      if (mark !== undefined) {
        held = text.slice(mark.length);
        closing = BLOCKS.find(([opening]) => opening === mark)?.[1];
        hasThought = true;
        if (!STARTS.includes(mark)) state = 'thinking';
        return true;
      }
      if (!isLast && MARKS.some((known) => known.startsWith(lower))) return false;
      // The blank lines behind thinking are no part of the answer.
      if (hasThought) held = text;
      state = 'answer';
      return true;
    }
    if (state === 'thinking') {
      const found = closing?.exec(held);
      if (found) {
        onThinking(held.slice(0, found.index));
        held = held.slice(found.index + found[0].length).trimStart();
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
      const lone = hasThought ? undefined : loneEnd(answer);
      if (lone) onThinking(answer.slice(0, lone.from));
      return withoutEnds(withoutLaterThinking(lone ? answer.slice(lone.to).trimStart() : answer, onThinking));
    },
  };
}

/** The mark behind thinking whose beginning the model did not write. */
function loneEnd(answer: string): { readonly from: number; readonly to: number } | undefined {
  const end = LONE_END.exec(answer);
  if (!end) return undefined;
  const before = answer.slice(0, end.index);
  const isInCode = before.split('```').length % 2 === 0;
  return isInCode || BEGIN.test(before) ? undefined : { from: end.index, to: end.index + end[0].length };
}

/** Some models think again in the middle of an answer, in a block that begins a line. In code it is spoken of. */
function withoutLaterThinking(answer: string, onThinking: (delta: string) => void): string {
  return answer.replace(LATER_BLOCK, (block, _tag, thought: string, at: number) => {
    if (answer.slice(0, at).split('```').length % 2 === 0) return block;
    onThinking(thought);
    return '';
  });
}

function withoutEnds(answer: string): string {
  for (let rest = answer; ;) {
    const trimmed = rest.trimEnd();
    const end = END.exec(trimmed.slice(-LONGEST));
    if (!end) return rest;
    rest = trimmed.slice(0, -end[0].length);
  }
}
