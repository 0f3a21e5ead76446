/** examples/service as its first comment says: turns as server-sent events, which a reader takes up again. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { EventSourceParserStream } from 'eventsource-parser/stream';
import { packageDir } from '../../src/package-info.ts';
import { freePort } from '../helpers/ports.ts';
import { playTeam } from '../helpers/team-script.ts';
import { programEnvironment } from '../helpers/worker.ts';
import { startWorld, type World } from '../helpers/world.ts';

interface Received {
  readonly id: string;
  readonly event: string;
  readonly data: { readonly text?: string };
}

describe('[U04] examples/service', function () {
  this.timeout(120_000);
  let world: World;
  let service: ChildProcess;
  let url: string;

  before(async () => {
    world = await startWorld();
    playTeam(world.model, { answer: 'one two three four five', wordDelayMs: 100 });
    const script = join(packageDir, 'examples/service/server.ts');
    service = spawn(process.execPath, [script, String(await freePort())], {
      env: programEnvironment(world.server),
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    assert.ok(service.stdout);
    const [line] = (await once(createInterface(service.stdout), 'line')) as [string];
    url = line;
  });
  after(async () => {
    service?.kill('SIGKILL');
    await world?.stop();
  });

  /** Events until one of this type, or the end. */
  async function read(response: Response, last: string): Promise<Received[]> {
    assert.equal(response.headers.get('content-type'), 'text/event-stream');
    assert.ok(response.body);
    const received: Received[] = [];
    const parsed = response.body.pipeThrough(new TextDecoderStream()).pipeThrough(new EventSourceParserStream());
    for await (const { id = '', event = '', data } of parsed) {
      received.push({ id, event, data: JSON.parse(data) as Received['data'] });
      if (event === last) break;
    }
    return received;
  }

  const textOf = (events: readonly Received[]): string =>
    events.flatMap(({ event, data }) => (event === 'token' ? [data.text ?? ''] : [])).join('');

  it('streams a turn to its end, and goes on where a reader was cut off', async () => {
    const created = await fetch(`${url}/sessions`, { method: 'POST' });
    assert.equal(created.status, 201);
    const { id } = (await created.json()) as { id: string };
    const events = await read(await fetch(`${url}/sessions/${id}/turns`, { method: 'POST', body: 'Count' }), 'none');
    assert.equal(textOf(events), 'one two three four five');
    assert.equal(events.at(-1)?.event, 'turn-ended');

    const cut = events.findIndex(({ event }) => event === 'token');
    const headers = { 'Last-Event-ID': events[cut]?.id ?? '' };
    const rest = await read(await fetch(`${url}/sessions/${id}/events`, { headers }), 'turn-ended');
    const others = (all: readonly Received[]): unknown[] =>
      all.filter(({ event }) => event !== 'token').map(({ event, data }) => [event, data]);
    assert.deepEqual(others(rest), others(events.slice(cut + 1)));
    assert.equal(textOf(events.slice(0, cut + 1)) + textOf(rest), 'one two three four five');
  });

  it('says what is wrong by its status', async () => {
    const unknown = await fetch(`${url}/sessions/nobody/turns`, { method: 'POST', body: 'Hello' });
    assert.deepEqual([unknown.status, ((await unknown.json()) as { error: string }).error], [404, 'SessionNotFound']);
    const { id } = (await (await fetch(`${url}/sessions`, { method: 'POST' })).json()) as { id: string };
    assert.equal((await fetch(`${url}/sessions/${id}/turns`, { method: 'POST', body: '' })).status, 400);
  });
});
