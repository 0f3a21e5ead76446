/** Who follows a session: through gateways, with the CLI, by the library. Real server, worker and gateways. */
import assert from 'node:assert/strict';
import { hostname } from 'node:os';
import type { AttachedClient } from '../../../src/client.ts';
import { attached, MAX_SILENCE_MS } from '../../../src/contracts/attached.ts';
import { runCli, startCli } from '../../helpers/cli.ts';
import { addKey, Caller, startGatewayProcess, type TestGateway } from '../../helpers/gateway.ts';
import { until } from '../../helpers/history.ts';
import { programEnvironment } from '../../helpers/worker.ts';
import { startWorld, type World } from '../../helpers/world.ts';

describe('attached clients', function () {
  this.timeout(240_000);
  let world: World;
  let gateways: TestGateway[];

  before(async () => {
    world = await startWorld();
  });
  after(async () => {
    for (const gateway of gateways) await gateway.kill();
    await world.stop();
  });

  it('[S19] are shown by every gateway and by show, with name, kind and time, cost no history, and are dropped', async () => {
    const key = await addKey(world, 'ada', 'operator');
    gateways = [await startGatewayProcess(world), await startGatewayProcess(world)];
    const [one, other] = gateways.map(({ url }) => new Caller(url, key));
    assert.ok(one && other);
    const session = await world.copilot.create({ name: 'followed' });
    await session.info(); // its first task is done
    const { historyLength } = await session.describe();
    const stop = new AbortController();
    const reading = (async () => {
      for await (const _ of one.events(session.id, { signal: stop.signal }));
    })().catch(() => undefined);
    const library = session.follow({ signal: stop.signal });
    const next = library.next();
    const cli = startCli(['follow', session.id], programEnvironment(world.server));
    const read = async (): Promise<AttachedClient[]> =>
      (await other.call<AttachedClient[]>('GET', `/v1/sessions/${session.id}/followers`)).body;
    const all = await until('three followers', async () => {
      const found = await read();
      return found.length === 3 ? found : undefined;
    });
    assert.deepEqual(all.map(({ kind }) => kind).toSorted(), ['cli', 'gateway', 'library']);
    assert.equal(all.find(({ kind }) => kind === 'gateway')?.name, 'ada');
    assert.ok(all.find(({ kind }) => kind === 'cli')?.name.endsWith(`@${hostname()}`));
    assert.ok(all.every(({ since }) => Math.abs(Date.now() - Date.parse(since)) < 120_000));
    const shown = await runCli(['show', session.id], programEnvironment(world.server));
    assert.match(shown.stdout, /Followed by.*ada \(gateway\) since 20/);
    assert.equal((await session.describe()).historyLength, historyLength);

    // A client that is killed says nothing, and is dropped after five minutes by anybody's clock.
    cli.process.kill('SIGKILL');
    await cli.ended;
    const payload = (ms: number) => ({ now: new Date(Date.now() + ms).toISOString(), here: [], left: [] });
    const handle = world.temporal.workflow.getHandle(session.id);
    assert.equal((await handle.query(attached, payload(0))).length, 3);
    assert.deepEqual(await handle.query(attached, payload(MAX_SILENCE_MS + 60_000)), []);

    // Those that end say so.
    stop.abort();
    await Promise.all([reading, next]);
    const rest = await until('the killed one alone', async () => {
      const found = await read();
      return found.length === 1 ? found : undefined;
    });
    assert.equal(rest[0]?.kind, 'cli');
  });
});
