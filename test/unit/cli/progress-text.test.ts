import assert from 'node:assert/strict';
import { Writable } from 'node:stream';
import type { FollowEvent } from '../../../src/client/follow/follower.ts';
import { ProgressText } from '../../../src/cli/conversation/progress-text.ts';
import { Output } from '../../../src/cli/terminal.ts';

/** What is written for these events; default: on something that is no terminal. */
function written(events: readonly FollowEvent[], { isTTY = false, showsThinking = false } = {}): string {
  let text = '';
  const stream = new Writable({
    write(chunk, _encoding, done) {
      text += String(chunk);
      done();
    },
  });
  Object.assign(stream, { isTTY });
  const progress = new ProgressText({ output: new Output(stream), showsThinking });
  for (const event of events) progress.show(event);
  return text;
}

const at = { at: '2026-11-21T00:00:00.000Z', turnId: 'turn-1' };
const call = { turnId: 'turn-1', activityId: 'turn-1/step-1/1', step: 1 };
const place = { attempt: 1, offset: 0 };

describe('progress as text', () => {
  it('shows a planned turn from its route to its steps, with tools between the texts', () => {
    assert.equal(
      written([
        { ...at, seq: 0, type: 'turn-started', number: 1, text: 'do it' },
        { ...at, seq: 1, type: 'routed', route: 'planned', agent: 'engineer', reason: 'two things' },
        { ...at, seq: 2, type: 'planned', steps: [{ number: 1, agent: 'engineer', task: 'write a.txt' }] },
        { ...at, seq: 3, type: 'step-started', step: 1, agent: 'engineer', task: 'write a.txt', attempt: 2 },
        { ...at, seq: 4, type: 'model-started', activityId: call.activityId, agent: 'engineer', step: 1 },
        { type: 'token', ...call, ...place, text: 'I wri' },
        { type: 'token', ...call, ...place, text: 'te.' },
        { ...at, seq: 5, type: 'model-ended', activityId: call.activityId, text: 'I write.', step: 1 },
        {
          ...at,
          seq: 6,
          type: 'tool-started',
          activityId: 't',
          tool: 'write_file',
          summary: 'write_file a.txt',
          step: 1,
        },
        { ...at, seq: 7, type: 'tool-ended', activityId: 't', status: 'failed', step: 1 },
        { ...at, seq: 8, type: 'step-ended', step: 1, status: 'completed', summary: 'written' },
        { ...at, seq: 9, type: 'turn-ended', number: 1, status: 'completed' },
      ]),
      `Turn 1: do it
→ planned · engineer: two things
Plan:
  1. write a.txt (engineer)
▶ step 1 (attempt 2) · engineer: write a.txt
I write.
  ⚙ write_file a.txt
  ✗ it failed
✓ step 1 completed: written
`,
    );
  });

  it('announces a route before its text, and not after it', () => {
    const routed = { ...at, seq: 1, type: 'routed', route: 'one-shot', agent: 'writer', reason: 'short' } as const;
    const token = { type: 'token', ...call, ...place, text: 'hello\n' } as const;
    assert.equal(written([routed, token]), '→ one-shot · writer: short\nhello\n');
    assert.equal(written([token, routed]), 'hello\n');
    const next = { ...at, seq: 2, type: 'turn-started', number: 2, text: 'more' } as const;
    assert.equal(written([token, next, routed]), 'hello\nTurn 2: more\n→ one-shot · writer: short\n');
  });

  it('says when a reply that was being read starts over', () => {
    assert.equal(
      written([
        { type: 'token', ...call, ...place, text: 'half a sen' },
        { type: 'reset', turnId: 'turn-1', activityId: call.activityId, attempt: 2 },
        { type: 'token', ...call, ...place, text: 'a sentence' },
        { ...at, seq: 1, type: 'turn-ended', number: 1, status: 'interrupted' },
      ]),
      'half a sen\n↻ this reply starts over\na sentence\nTurn 1 interrupted\n',
    );
  });

  it('says why a call is tried again, and when', () => {
    const error = { type: 'ModelUnavailable', message: 'The model API is away.' };
    const retry = { type: 'retry', turnId: 'turn-1', activityId: call.activityId, error } as const;
    assert.equal(
      written([
        { ...retry, attempt: 2, nextAttemptAt: '2026-01-02T03:04:05.678Z' },
        { ...retry, attempt: 3, nextAttemptAt: null },
      ]),
      '↻ attempt 2 comes at 2026-01-02T03:04:05.678Z. ModelUnavailable: The model API is away.\n' +
        '↻ attempt 3 follows. ModelUnavailable: The model API is away.\n',
    );
  });

  it('shows of reasoning how long it is, in one line that stays the last on a terminal; or all of it', () => {
    const other = { ...call, activityId: 'turn-1/step-2/1', step: 2 };
    const events: FollowEvent[] = [
      { type: 'reasoning', ...call, ...place, text: 'I mu' },
      { type: 'reasoning', ...call, ...place, text: 'st think' },
      { type: 'reasoning', ...other, ...place, text: 'Me too' },
      { type: 'token', ...call, ...place, text: 'Done' },
      { type: 'token', ...call, ...place, text: '.\n' },
      { ...at, seq: 1, type: 'model-ended', activityId: other.activityId, text: '', step: 2 },
    ];
    assert.equal(written(events), 'thinking… (3 words)\nDone.\nthinking… (2 words)\n');
    assert.equal(written(events, { showsThinking: true }), 'I must think\nMe too\nDone.\n');
    const late = { type: 'reasoning', ...call, ...place, offset: 7, text: 'think' } as const;
    const later = { ...late, offset: 20, text: ' again' };
    assert.equal(written([late, later], { showsThinking: true }), '[…]think[…] again');
    const line = (words: number): string => `\u001b[2mthinking… (${words} words)\u001b[22m`;
    const clear = '\r\u001b[2K';
    assert.equal(written(events, { isTTY: true }), `${[2, 3, 2, 3].map(line).join(clear)}\nDone.\n${line(2)}\n`);
  });
});
