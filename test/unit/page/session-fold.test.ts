/** What the page makes of a session's events. */
import assert from 'node:assert/strict';
import type { FollowEvent, PendingRequest, TurnView } from '../../../src/client.ts';
import {
  endFold,
  type Fold,
  foldEvents,
  isOvertaken,
  NOTHING,
  type TurnShown,
} from '../../../src/page/state/session-fold.ts';

const at = '2026-11-26T21:00:00.000Z';
const turnId = 'turn-1';

/** Numbers the events of a session as it does. */
function numbered(events: readonly object[]): readonly FollowEvent[] {
  return events.map((event, seq) => ({ seq, at, turnId, ...event }) as FollowEvent); // of the test
}

function turnOf(...events: readonly object[]): TurnShown {
  const { turns }: Fold = foldEvents(NOTHING, numbered(events));
  return turns[0] ?? assert.fail('no turn');
}

const started = { type: 'turn-started', number: 1, text: 'Hello' };
const model = { type: 'model-started', activityId: 'turn-1/1', agent: 'writer' };
const token = (offset: number, text: string, attempt = 1): object => ({
  type: 'token',
  activityId: 'turn-1/1',
  attempt,
  offset,
  text,
});

describe('the page, from events', () => {
  it('an answer that the session tells before the events do is shown once', () => {
    const view = { status: 'completed', reply: 'one two three' } as TurnView; // all that is looked at
    const call = (...events: readonly object[]) => turnOf(started, model, ...events).calls['turn-1/1'] ?? assert.fail();
    const running = call(token(0, 'one '), token(4, 'two'));
    assert.equal(isOvertaken(running, view), true);
    assert.equal(isOvertaken(call(token(4, 'two ')), view), true, 'a call that the page came late to');
    assert.equal(isOvertaken(running, undefined), false);
    assert.equal(isOvertaken(running, { ...view, status: 'running' }), false, 'of a turn that goes on');
    assert.equal(isOvertaken(call(token(0, 'Let me look.')), view), false, 'an earlier call');
    const ended = { type: 'model-ended', activityId: 'turn-1/1', text: 'one two three' };
    assert.equal(isOvertaken(call(token(0, 'one '), ended), view), false, 'the call shows it');
  });

  it('text grows, and a call that starts over begins with nothing', () => {
    const turn = turnOf(started, model, token(0, 'one '), token(4, 'two'), {
      type: 'reset',
      activityId: 'turn-1/1',
      attempt: 2,
    });
    assert.equal(turn.calls['turn-1/1']?.text, '');
    const again = turnOf(
      started,
      model,
      token(0, 'lost'),
      { type: 'reset', activityId: 'turn-1/1', attempt: 2 },
      token(0, 'kept', 2),
    );
    assert.equal(again.calls['turn-1/1']?.text, 'kept');
  });

  it('text that is joined in its middle is marked until the call has ended', () => {
    const joined = turnOf(token(8_000, 'end of it'));
    assert.deepEqual([joined.calls['turn-1/1']?.text, joined.calls['turn-1/1']?.isCut], ['end of it', true]);
    const whole = turnOf(token(8_000, 'end'), { type: 'model-ended', activityId: 'turn-1/1', text: 'all of it' });
    assert.deepEqual([whole.calls['turn-1/1']?.text, whole.calls['turn-1/1']?.isCut], ['all of it', false]);
  });

  it('steps keep their task from the plan, and take status, attempt and summary from what happens', () => {
    const turn = turnOf(
      started,
      {
        type: 'planned',
        steps: [
          { number: 1, agent: 'a', task: 'do it' },
          { number: 2, agent: 'b', task: 'then this' },
        ],
      },
      { type: 'step-started', step: 1, agent: 'a', task: 'do it', attempt: 2 },
      { type: 'step-ended', step: 1, status: 'completed', summary: 'did it' },
    );
    assert.deepEqual(
      turn.steps.map(({ number, status, attempt, summary }) => [number, status, attempt, summary]),
      [
        [1, 'completed', 2, 'did it'],
        [2, 'pending', 0, ''],
      ],
    );
    assert.deepEqual(turn.items, [{ type: 'plan' }]);
  });

  it('a plan that is made anew takes the place of the old one', () => {
    const plan = (task: string): object => ({ type: 'planned', steps: [{ number: 1, agent: 'a', task }] });
    const turn = turnOf(started, plan('old'), plan('new'));
    assert.deepEqual(
      turn.steps.map(({ task }) => task),
      ['new'],
    );
    assert.equal(turn.items.length, 1);
  });

  it('a request that is asked again is shown once, and its decision with who took it', () => {
    const request = { id: 'req-1', kind: 'plan' } as PendingRequest; // all that counts here
    const asked = { type: 'request', request };
    const turn = turnOf(started, asked, asked, { type: 'decided', requestId: 'req-1', decision: 'approve', by: 'ada' });
    assert.deepEqual(turn.items, [{ type: 'request', request, verdict: { decision: 'approve', by: 'ada' } }]);
  });

  it('a repeated step shows its calls anew, and no call runs after its turn', () => {
    const tool = { type: 'tool-started', activityId: 'turn-1/step-1/1', tool: 'shell', summary: 'ls', step: 1 };
    const failed = { type: 'tool-ended', activityId: 'turn-1/step-1/1', status: 'failed', step: 1 };
    const turn = turnOf(started, tool, failed, tool);
    assert.equal(turn.calls['turn-1/step-1/1']?.status, 'running');
    assert.equal(turn.items.length, 1);
    const ended = turnOf(started, tool, { type: 'turn-ended', number: 1, status: 'interrupted' });
    assert.deepEqual([ended.status, ended.calls['turn-1/step-1/1']?.status], ['interrupted', 'failed']);
  });

  it('in a session that was ended from outside no call runs, and its turn was interrupted', () => {
    const { turns } = endFold(foldEvents(NOTHING, numbered([started, model])));
    assert.deepEqual([turns[0]?.status, turns[0]?.calls['turn-1/1']?.status], ['interrupted', 'failed']);
  });

  it('a queued message keeps its id, so that it can be taken back', () => {
    const turn = turnOf({ type: 'queued', messageId: 'm-1' });
    assert.deepEqual([turn.status, turn.number, turn.messageId], ['queued', 0, 'm-1']);
  });
});
