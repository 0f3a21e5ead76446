/** Errors of gateways and servers in their own words, over HTTP: what each means for the turn. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import type { ApiAnswer } from '../../helpers/api-server.ts';
import { useChatServer } from '../../helpers/chat-world.ts';

/** Lines of server, status, meaning and body. A meaning is `overflow`, `passes`, the milliseconds to wait, or a refusal. */
const ROWS = readFileSync(new URL('gateway-wordings.txt', import.meta.url), 'utf8')
  .trim()
  .split('\n')
  .map((line) => line.split(' | '));

function typeOf(body: string): string {
  if (body.startsWith('<')) return 'text/html';
  return /^[[{]/.test(body) ? 'application/json' : 'text/plain';
}

describe('[M10] what gateways and servers say, over HTTP', () => {
  const chat = useChatServer();

  async function failure(answer: ApiAnswer): Promise<object> {
    chat.respond = () => answer;
    const { type, details, retryAfterMs } = await chat.ask().then(
      (reply) => assert.fail(`it was taken for a reply: ${JSON.stringify(reply)}`),
      (thrown: Error & { type: string; details: Record<string, unknown>; retryAfterMs?: number }) => thrown,
    );
    assert.equal(chat.requests.length, 1);
    return { type, refusal: details['refusal'], waitMs: retryAfterMs };
  }

  for (const [server = '', status, meaning = '', body = ''] of ROWS) {
    it(server, async () => {
      const headers = { 'content-type': typeOf(body) };
      const waitMs = /^\d+$/.test(meaning) ? Number(meaning) : undefined;
      const expected =
        meaning === 'overflow'
          ? { type: 'ContextOverflow' }
          : meaning === 'passes' || waitMs !== undefined
            ? { type: 'ModelUnavailable' }
            : { type: 'ModelRejected', refusal: meaning };
      assert.deepEqual(await failure({ status: Number(status), headers, body }), {
        refusal: undefined,
        waitMs,
        ...expected,
      });
    });
  }

  it('an empty answer', async () => {
    assert.deepEqual(await failure({ body: '' }), { type: 'ModelUnavailable', refusal: undefined, waitMs: undefined });
  });

  it('OpenRouter: an error in a stream', async () => {
    const chunk = {
      error: { code: 502, message: 'Provider disconnected' },
      choices: [{ delta: { content: '' }, finish_reason: 'error' }],
    };
    assert.deepEqual(await failure({ events: [': OPENROUTER PROCESSING\n\n', chunk] }), {
      type: 'ModelUnavailable',
      refusal: undefined,
      waitMs: undefined,
    });
  });
});
