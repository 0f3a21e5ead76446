/** Why a reply ended, in the words of the different servers. */
import type { Finish } from '../model.ts';

/** Gemini's endpoint puts its own reason behind a general one. */
const ENDS: readonly (readonly [finish: Finish, words: RegExp])[] = [
  [
    'length',
    /^(max_)?(output_)?(length|tokens|limit)(_reached)?$|model_length|context_window|max_output|(token|time)_limit|truncat|incomplete|not_finished|error_limit/,
  ],
  [
    'filtered',
    /content_filter|safety|recitation|sensitive|prohibited|blocklist|\bspii\b|guardrail|moderation|toxic|model_armor|^language$/,
  ],
  ['refused', /^refusal$/],
  [
    'failed',
    /error|malformed|missing_thought|unexpected_tool|too_many_tool|insufficient_system_resource|abort|cancel|time(d_)?out|overloaded|preempt|interrupt/,
  ],
];

/** @returns undefined for a reply that ended by itself, or with calls, and for a reason that nobody knows */
export function unusualEnd(reason: string): Finish | undefined {
  return ENDS.find(([, words]) => words.test(reason.toLowerCase()))?.[0];
}
