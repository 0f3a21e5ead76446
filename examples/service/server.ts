/**
 * A service of its own that answers over HTTP: it streams each turn as server-sent events.
 *
 *     node examples/service/server.ts [port]        (with `copilot dev` running in another terminal)
 *
 *     curl -X POST localhost:8000/sessions
 *     curl -N -X POST localhost:8000/sessions/ses_…/turns -d 'What is 2 + 3?'
 *     curl -N localhost:8000/sessions/ses_…/events -H 'Last-Event-ID: …'
 */
import type { AddressInfo } from 'node:net';
import { serve } from '@hono/node-server';
import { Hono } from 'hono';
import { type SSEStreamingApi, streamSSE } from 'hono/streaming';
import { CopilotClient, CopilotError, type SessionHandle, type TurnView } from '../../src/client.ts';

/** HTTP status by the exit code that each error has. */
const STATUS = { 1: 500, 2: 400, 3: 404, 4: 409, 5: 503 } as const;

// One client serves all requests.
const client = await CopilotClient.connect();
const app = new Hono();

app.post('/sessions', async (c) => c.json({ id: (await client.create({ mode: 'one-shot' })).id }, 201));

app.post('/sessions/:id/turns', async (c) => {
  const session = client.session(c.req.param('id'));
  // The session has stored the message when this returns, so it is answered even if nobody listens any more.
  const turn = await session.send(await c.req.text(), { wait: false });
  return streamSSE(c, (sse) => write(sse, session, turn));
});

/** Goes on where a reader was cut off, which may have been in another process: browsers do so by themselves. */
app.get('/sessions/:id/events', (c) =>
  streamSSE(c, (sse) => write(sse, client.session(c.req.param('id')), undefined, c.req.header('last-event-id'))),
);

async function write(sse: SSEStreamingApi, session: SessionHandle, turn?: TurnView, after?: string): Promise<void> {
  const gone = new AbortController();
  sse.onAbort(() => gone.abort());
  const events = session.follow({ turnId: turn?.id, after, signal: gone.signal });
  for await (const event of events) {
    await sse.writeSSE({ event: event.type, data: JSON.stringify(event), id: await events.cursor() });
  }
}

app.onError((error, c) => {
  if (!(error instanceof CopilotError)) throw error;
  return c.json({ error: error.type, message: error.message }, STATUS[error.exitCode]);
});

const server = serve({ fetch: app.fetch, port: Number(process.argv[2] ?? 8000), hostname: '127.0.0.1' }, (address) =>
  console.log(`http://127.0.0.1:${(address satisfies AddressInfo).port}`),
);

process.once('SIGTERM', () => {
  server.close(() => void client.close());
});
