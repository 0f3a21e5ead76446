/** Addresses of conversations: what makes a copy the same as the original. No server needed. */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { advance, EMPTY_TRANSCRIPT, type Message } from '../../../src/contracts/transcript.ts';

const message: fc.Arbitrary<Message> = fc.oneof(
  fc.record({ role: fc.constant('user' as const), text: fc.string({ unit: 'binary' }) }),
  fc.record({ role: fc.constant('assistant' as const), text: fc.string() }),
  fc.record({ role: fc.constant('tool' as const), toolCallId: fc.string(), text: fc.string() }),
);

describe('the address of a conversation', () => {
  it('is the same however the messages were appended', () => {
    fc.assert(
      fc.property(fc.array(message), fc.nat(), (messages, cut) => {
        const at = cut % (messages.length + 1);
        const inTwo = advance(advance(EMPTY_TRANSCRIPT, messages.slice(0, at)), messages.slice(at));
        assert.deepEqual(inTwo, advance(EMPTY_TRANSCRIPT, messages));
        assert.equal(inTwo.length, messages.length);
      }),
    );
  });

  it('differs for another text, role, order or tool call', () => {
    const user = (text: string): Message => ({ role: 'user', text });
    const variants: Message[][] = [
      [user('a'), user('b')],
      [user('b'), user('a')],
      [user('ab')],
      [user('a'), { role: 'assistant', text: 'b' }],
      [user('a'), { role: 'tool', toolCallId: '1', text: 'b' }],
      [user('a'), { role: 'tool', toolCallId: '2', text: 'b' }],
      [user('a'), { role: 'assistant', text: 'b', toolCalls: [{ id: '1', name: 'x', arguments: '{}' }] }],
      [user('a'), { role: 'assistant', text: 'b', toolCalls: [{ id: '1', name: 'x', arguments: '{"y":1}' }] }],
    ];
    const checks = variants.map((messages) => advance(EMPTY_TRANSCRIPT, messages).check);
    assert.equal(new Set(checks).size, variants.length);
  });
});
