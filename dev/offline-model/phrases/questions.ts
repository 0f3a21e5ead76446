/** Phrases by which the person wants to be asked, and what becomes of the answers. */
import { isFileName, masked, quotations } from '../language.ts';

/** `ask me first which city: `, before what is to be done then. */
const ASK_FIRST = /^\W{0,20}(?:please\s+)?ask me first\s+([^:\n]{1,300}):\s*(?=\S)/i;
/** `ask me which city`, in the middle of work. */
const ASK = /^(?:please\s+)?ask me\s+(?:first\s+)?(?:for\s+)?([^]{1,500})$/i;
const PLACE = /\{answer\}/g;
const WORDS = /\b(?:the|my) answer\b/gi;

/** What the engine puts between a message, what was asked back, and what was answered. */
const ASKED = '\n\nYou asked:\n';
const ANSWERED = '\n\nThe answer:\n';

export interface Exchange {
  readonly question: string;
  readonly answer: string;
}

/** A question before work, and the work. */
export function questionFirst(text: string): { question: string; rest: string } | undefined {
  const match = ASK_FIRST.exec(text);
  return match ? { question: asQuestion(match[1] ?? ''), rest: text.slice(match[0].length) } : undefined;
}

/** The question that a clause wants asked. */
export function questionIn(clause: string): string | undefined {
  const asked = ASK.exec(clause)?.[1];
  return asked === undefined ? undefined : asQuestion(quotations(asked)[0]?.text ?? asked);
}

/** A message of the engine, as the person wrote it and what was asked and answered since. */
export function exchangesIn(text: string): { said: string; exchanges: Exchange[] } {
  const [said = '', ...rest] = text.split(ASKED);
  const exchanges = rest.flatMap((part) => {
    const at = part.indexOf(ANSWERED);
    return at < 0 ? [] : [{ question: part.slice(0, at), answer: part.slice(at + ANSWERED.length).trim() }];
  });
  return exchanges.length === rest.length ? { said, exchanges } : { said: text, exchanges: [] };
}

/** Whether a text speaks of an answer: "write the answer to city.txt", `write "Hello {answer}" to a.txt`. */
export function usesAnswer(text: string): boolean {
  return text.search(PLACE) >= 0 || masked(text).search(WORDS) >= 0;
}

/** The text with the answer where it speaks of it. */
export function withAnswer(text: string, answer: string): string {
  const quoted = isFileName(answer) ? answer : `"${answer.replaceAll('"', "'")}"`;
  let result = '';
  let start = 0;
  for (const { 0: words, index } of masked(text).matchAll(WORDS)) {
    result += text.slice(start, index) + quoted;
    start = index + words.length;
  }
  return (result + text.slice(start)).replace(PLACE, () => answer);
}

function asQuestion(text: string): string {
  const plain = text.trim().replace(/[\s.,;:!?]+$/, '');
  return `${plain.charAt(0).toUpperCase()}${plain.slice(1)}?`;
}
