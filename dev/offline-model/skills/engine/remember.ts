/** Keeps a fact in the session's context: `remember that my unit is mm`. */
import { REMEMBER } from '../../../../src/contracts/activities.ts';
import type { Json } from '../../../../src/contracts/json.ts';
import { words } from '../../language.ts';
import { CannotDo, use, type Finding, type Work } from '../skill.ts';

const PHRASE = /^(?:please\s+)?remember(?:\s+that\s+|\s*:\s*)([^]{1,2000})$/i;
const FACT = /^(?:(?:my|our|your|his|her|their|the|an?)\s+)?([^\n]{1,80}?)\s+(?:is|are|will be|=)\s+([^]+)$/i;
const MAX_KEY_WORDS = 6;
/** Keys under which the engine keeps its own. */
const TAKEN = new Set(['initial_task', 'current_task', 'route', 'plan', 'results']);

/** What a clause wants remembered. */
export function noteIn(clause: string): string | undefined {
  return PHRASE.exec(clause.trim())?.[1]
    ?.trim()
    .replace(/[.\s]+$/, '');
}

export function* remember(note: string): Work<Finding> {
  const [, name, value] = FACT.exec(note) ?? [];
  const key = keyOf(name ?? `note ${note}`);
  const result = yield* use(REMEMBER, { key, value: toJson(value ?? note) }, 'I keep that.');
  if (result.failed || result.text.startsWith('Not remembered')) throw new CannotDo(result.text);
  return { title: `Noted: ${key}`, sentence: `Noted: ${note}. The session's context has it as \`${key}\`.`, body: '' };
}

function keyOf(name: string): string {
  const key = words(name).slice(0, MAX_KEY_WORDS).join('_') || 'note';
  return TAKEN.has(key) ? `my_${key}` : key;
}

/** Numbers, lists and the like as they are; anything else is text. */
function toJson(value: string): Json {
  try {
    return JSON.parse(value) as Json; // whatever JSON gives is JSON
  } catch {
    return value;
  }
}
