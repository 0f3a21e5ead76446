/** What the log of a gateway says of requests. */
import assert from 'node:assert/strict';
import { Hono } from 'hono';
import { measureRequests } from '../../../src/gateway/request-metrics.ts';
import { recordingLog } from '../agents/files/team-folder.ts';

describe('the log of requests', () => {
  it('names session and turn if the request does, and nothing that people say', async () => {
    const { log, lines } = recordingLog();
    log.level = 'debug';
    const app = new Hono();
    app.use(measureRequests(() => 0, log).middleware);
    app.get('/v1/sessions/:id/turns/:turnId', (context) => context.json({}));
    app.post('/v1/sessions/:id/messages', (context) => context.json({}, 202));
    app.delete('/v1/webhooks/:id', (context) => context.json({}));
    await app.request('/v1/sessions/ses_1/turns/turn-4?wait=mango');
    await app.request('/v1/sessions/ses_1/messages', { method: 'POST', body: '{"text":"mango"}' });
    await app.request('/v1/webhooks/wh_1', { method: 'DELETE' });
    assert.deepEqual(
      lines.map(({ msg, method, route, status, session, turn }) => [msg, method, route, status, session, turn]),
      [
        ['request answered', 'GET', '/v1/sessions/:id/turns/:turnId', 200, 'ses_1', 'turn-4'],
        ['request answered', 'POST', '/v1/sessions/:id/messages', 202, 'ses_1', undefined],
        ['request answered', 'DELETE', '/v1/webhooks/:id', 200, undefined, undefined],
      ],
    );
    assert.ok(lines.every((line) => typeof line['ms'] === 'number'));
    assert.doesNotMatch(JSON.stringify(lines), /mango/);
  });
});
