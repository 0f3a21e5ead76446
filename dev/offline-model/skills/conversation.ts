/**
 * What the offline model says without any tool: small talk, what it remembers of the conversation, and, for all
 * that is beyond its rules, that it is the offline model and how to get a real one.
 */
import type { Prompt } from '../prompt.ts';
import { words } from '../language.ts';

/** Numbers that "count to N" gives at most. */
const MAX_COUNT = 1_000;
/** Small talk is short; longer messages are looked at only as far as this. */
const MAX_TALK = 2_000;

export const HOW_TO_GET_A_MODEL =
  'set OPENAI_API_KEY, or OPENAI_BASE_URL for any other server that speaks the chat completions API, and start the worker again.';

export const ABILITIES =
  'It can list, read, search, write and edit files, read web pages, ask you back, hand work over, profile CSV files and answer questions about them (such as the wettest month or the mean price by city), calculate, run code that you give it, and split a task into such steps.';

const INTRODUCTION = `This is the offline model of durable-copilot: it answers by rules, not by a language model. ${ABILITIES} For everything else, ${HOW_TO_GET_A_MODEL}`;

/** Remarks that are no question and ask for nothing. */
const PLEASANTRIES: readonly (readonly [RegExp, string])[] = [
  [/^(?:hi|hello|hey|good (?:morning|afternoon|evening|day)|greetings|servus|moin)\b/, `Hello! ${INTRODUCTION}`],
  [/^(?:thanks|thank you|thx|cheers|great|nice|well done|perfect|cool|awesome|good job)\b/, 'You are welcome.'],
  [/^(?:bye|goodbye|see you|good night|ciao)\b/, 'Goodbye. The session is kept and can be continued at any time.'],
  [/^(?:yes|no|ok|okay|sure|fine|right|yep|nope)\W*$/, 'All right. What shall I do?'],
  [
    /\b(?:who|what) are you\b|\bwhat can you do\b|\bwhich model\b|\bwhat model\b|\bare you (?:an? )?(?:ai|gpt|chatgpt|claude|bot|robot|human|real|llm|language model|offline)|^help\b|\bhow do you work\b|\byour name\b/,
    INTRODUCTION,
  ],
  [/^how are you\b/, `Fine, thank you. ${INTRODUCTION}`],
  [/^(?:ping|test|testing)\W*$/, 'pong'],
];

/** A reply to a message that needs no tool, or undefined where no rule knows one. */
export function converse(text: string, earlier: Prompt['earlier']): string | undefined {
  const talk = text.slice(0, MAX_TALK);
  return echo(text) ?? count(talk) ?? recall(talk, earlier) ?? pleasantry(talk) ?? remember(talk);
}

/** For whatever no rule knows. */
export function admit(text: string): string {
  const shown = text.replace(/\s+/g, ' ').trim();
  const quoted = shown.length > 120 ? `${shown.slice(0, 120)}…` : shown;
  return `${NO_RULE} "${quoted}": it knows nothing of the world.`;
}

/** Whether a text is one of {@link admit}. */
export function isAdmission(text: string): boolean {
  return text.startsWith(NO_RULE);
}

const NO_RULE = 'This is the offline model, which works by rules and has none for';

function echo(text: string): string | undefined {
  const said = /^\W*(?:please\s+)?(?:repeat after me|say after me|echo)(?:\s+slowly)?\s*[:,-]?\s*([^]*)$/i
    .exec(text)?.[1]
    ?.trim();
  return said === undefined || said === '' ? undefined : said.replace(/^(["'“])([^]*)["'”]$/, '$2');
}

function count(text: string): string | undefined {
  const [, from = '1', to] = /\bcount (?:up )?(?:slowly )?(?:from (\d+) )?(?:up )?to (\d+)/i.exec(text) ?? [];
  if (to === undefined) return undefined;
  const first = Number(from);
  const last = Math.min(Number(to), first + MAX_COUNT - 1);
  if (!Number.isSafeInteger(first) || last < first) return undefined;
  const numbers = Array.from({ length: last - first + 1 }, (_, index) => first + index).join(' ');
  return last < Number(to) ? `${numbers} … and so on: I count ${MAX_COUNT} numbers at most.` : numbers;
}

function pleasantry(text: string): string | undefined {
  const plain = text.toLowerCase().trim();
  return PLEASANTRIES.find(([pattern]) => pattern.test(plain))?.[1];
}

const FACT =
  /\b(my|our) ([\p{L}][\p{L}\p{N} _-]{0,60}?) (?:is|are|was|will be) (?!what\b)([^\n.!?]{1,200}(?:\.\d[^\n.!?]*)?)/iu;

/** "My favourite colour is teal.", "Remember that the meeting is on Friday." */
function remember(text: string): string | undefined {
  const noted = NOTED.exec(text)?.[1]?.trim();
  if (noted !== undefined) return `Noted: ${noted.replace(/[.\s]*$/, '')}.`;
  const [, , name, value] = FACT.exec(text) ?? [];
  return name === undefined || value === undefined || /\?\s*$/.test(text)
    ? undefined
    : `Noted: your ${name} is ${value.trim()}.`;
}

/** What a text says about the person, such as "my unit is mm", and what it wants remembered. */
export function factsIn(text: string): string[] {
  const talk = text.slice(0, MAX_TALK);
  const noted = NOTED.exec(talk)?.[1]?.trim();
  const facts = noted === undefined ? [...talk.matchAll(new RegExp(FACT, 'giu'))].map(([fact]) => fact) : [noted];
  return /\?\s*$/.test(talk) ? [] : facts;
}

const NOTED = /^\W*(?:please\s+)?(?:remember|note|keep in mind)(?: that|:)?\s+([^]{1,400})$/i;

/** Questions about what was said before in this conversation. */
function recall(text: string, earlier: Prompt['earlier']): string | undefined {
  const plain = text.toLowerCase();
  const mine = earlier.filter(({ role }) => role === 'user').map((message) => message.text);
  const yours = earlier.filter(({ role }) => role === 'assistant').map((message) => message.text);
  const quote = (said: string | undefined, who: string): string =>
    said === undefined ? `Nothing was ${who} before.` : `"${said}"`;
  if (/\b(?:how many|number of) (?:messages|questions|turns|things)\b.*\b(?:i|we|so far|sent|asked)\b/.test(plain)) {
    return `Before this one you sent ${mine.length} message${mine.length === 1 ? '' : 's'} in this conversation.`;
  }
  if (
    /\b(?:first|very first)\b.*\b(?:message|question|thing|i (?:say|said|ask|asked|wrote))\b|\bwhat did i (?:say|ask|write|tell you) first\b/.test(
      plain,
    )
  )
    return quote(mine[0], 'said');
  if (/\bwhat did i (?:just )?(?:say|ask|write|tell)\b|\bmy (?:last|previous) (?:message|question)\b/.test(plain))
    return quote(mine.at(-1), 'said');
  if (
    /\bwhat did you (?:just )?(?:say|answer|reply|write)\b|\byour (?:last|previous) (?:answer|reply|message)\b/.test(
      plain,
    )
  )
    return quote(yours.at(-1), 'answered');
  const [, asked] =
    /\b(?:what|which|who|when|where)(?:'s| is| was| are| were)? (?:my|our) ([\p{L}][\p{L}\p{N} _-]{0,60})/u.exec(
      plain,
    ) ?? [];
  if (asked !== undefined) return fact(asked.replace(/\b(?:again|called|is|are)\b/g, '').trim(), mine);
  const about = /\bwhat did i (?:ask|tell) you to remember\b|\bwhat (?:should|do|did) you remember\b/.test(plain);
  const noted = mine.findLast((said) => /^\W*(?:please\s+)?(?:remember|note|keep in mind)\b/i.test(said));
  return about ? quote(noted, 'to be remembered') : undefined;
}

function fact(name: string, mine: readonly string[]): string {
  const wanted = words(name).join(' ');
  for (const said of mine.toReversed()) {
    for (const match of said.matchAll(new RegExp(FACT, 'giu'))) {
      const [, , known = '', value = ''] = match;
      if (words(known).join(' ') === wanted) return `Your ${known} is ${value.trim()}.`;
    }
  }
  return `You have not told me your ${name} in this conversation.`;
}
