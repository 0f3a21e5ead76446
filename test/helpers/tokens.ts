/** Tokens of a text in the encoding `o200k_base`, which OpenAI's models since GPT-4o have. */
import { Tiktoken } from 'js-tiktoken/lite';
import ranks from 'js-tiktoken/ranks/o200k_base';

const encoding = new Tiktoken(ranks);

export function countTokens(text: string): number {
  return encoding.encode(text).length;
}
