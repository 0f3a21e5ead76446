/** What an ended turn adds to the conversation. */
import { imagesField } from '../../../contracts/image.ts';
import type { RunningTurn, TurnOutcome } from '../../../contracts/session-state.ts';
import type { Message } from '../../../contracts/transcript.ts';
import { oneLine } from '../../views/details.ts';

/** Characters of each step's summary. */
const MAX_DONE_SUMMARY = 400;

interface Place {
  readonly turnId: string;
  readonly turn: number;
  readonly agent?: string;
}

/** What was said and is not in the transcript yet from an earlier end of the turn, and the reply. */
export function closingMessages(turn: RunningTurn, outcome: TurnOutcome): Message[] {
  const { id: turnId, number, text, images, answers, transcribed, agent, reply } = turn;
  const ofPerson: Place = { turnId, turn: number };
  const ofAgent: Place = { ...ofPerson, ...(agent === null ? {} : { agent }) };
  return [
    ...(transcribed > 0 ? [] : [{ role: 'user' as const, text, ...imagesField(images), ...ofPerson }]),
    ...answers.slice(Math.max(0, transcribed - 1)).flatMap(({ questions, answer, images: shown }): Message[] => [
      { role: 'assistant', text: questions.join('\n'), ...ofAgent },
      { role: 'user', text: answer, ...imagesField(shown), ...ofPerson },
    ]),
    {
      role: 'assistant',
      text: reply || withoutAnswer(turn),
      ...ofAgent,
      ...(outcome.status === 'completed' ? {} : { partial: true }),
      ...(outcome.status === 'completed' && outcome.providerData ? { providerData: outcome.providerData } : {}),
      ...(outcome.status === 'failed' ? { error: outcome.error.type } : {}),
    },
  ];
}

/** What the next turn has to know of one that came to no answer: why, and what it had done by then. */
function withoutAnswer({ state, steps, artifacts, unknownCalls }: RunningTurn): string {
  const why = state.status === 'failed' ? state.error.message : state.status;
  const done = steps.filter((step) => step.status === 'completed');
  return [
    `[This turn ended without an answer: ${why}]`,
    ...(done.length === 0 ? [] : ['', 'Done until then:']),
    ...done.map(({ number, task, summary }) => `${number}. ${oneLine(task)}: ${oneLine(summary, MAX_DONE_SUMMARY)}`),
    ...(artifacts.length === 0 ? [] : ['', `Files: ${artifacts.join(', ')}`]),
    ...(unknownCalls.length === 0 ? [] : ['', 'Nobody knows whether these calls took effect:']),
    ...unknownCalls.map((call) => oneLine(`${call.tool} ${call.arguments}`, MAX_DONE_SUMMARY)),
  ].join('\n');
}
