/** [P06] What 1,000 followers on 200 sessions cost a gateway: memory, CPU, and calls of Temporal. Linux only. */
import { setTimeout as sleep } from 'node:timers/promises';
import { addKey, Caller, startGatewayProcess } from '../test/helpers/gateway.ts';
import { startGrpcProxy } from '../test/helpers/grpc-proxy.ts';
import { cpuMs, residentMb } from './cpu.ts';
import { type BenchWorld, MESSAGE } from './world.ts';

const SESSIONS = 200;
const FOLLOWERS_EACH = 5;
/** A principal may have so many streams open. */
const SESSIONS_EACH = 20;
const LOOK_MS = 20_000;
/** Sessions that take one turn each while the second look lasts. */
const AT_WORK = 100;

export async function followers(world: BenchWorld): Promise<void> {
  const proxy = await startGrpcProxy(world.server.address);
  const people = await Promise.all(
    Array.from({ length: SESSIONS / SESSIONS_EACH }, (_, n) => addKey(world, `person${n}`)),
  );
  const gateway = await startGatewayProcess(world, 0, { TEMPORAL_ADDRESS: proxy.address });
  const { pid = 0 } = gateway.cli.process;
  const leave = new AbortController();
  const look = async (name: string, work: () => Promise<unknown>): Promise<void> => {
    const [cpu, calls, startedAt] = [cpuMs(pid), proxy.calls.length, Date.now()];
    await work();
    const seconds = (Date.now() - startedAt) / 1_000;
    const share = ((cpuMs(pid) - cpu) / 10 / seconds).toFixed(1);
    const rate = ((proxy.calls.length - calls) / seconds).toFixed(1);
    console.log(`${name.padEnd(40)} RSS ${residentMb(pid).toFixed(0)} MB   CPU ${share} %   ${rate} calls a second`);
  };
  try {
    await look('nobody follows', () => sleep(LOOK_MS / 4));
    const ids: string[] = [];
    let received = 0;
    const follow = async (caller: Caller, id: string): Promise<void> => {
      for await (const { event } of caller.events(id, { query: '?from=0', signal: leave.signal })) {
        if (event.type === 'queued' || event.type === 'turn-ended') received += 1;
      }
    };
    for (const key of people) {
      const caller = new Caller(gateway.url, key);
      for (let n = 0; n < SESSIONS_EACH; n++) {
        const { body } = await caller.call<{ id: string }>('POST', '/v1/sessions', { mode: 'one-shot' });
        ids.push(body.id);
        for (let f = 0; f < FOLLOWERS_EACH; f++) void follow(caller, body.id).catch(() => undefined);
      }
    }
    await sleep(LOOK_MS / 4);
    const count = `${FOLLOWERS_EACH * SESSIONS} followers, ${SESSIONS} sessions`;
    await look(`${count}, idle`, () => sleep(LOOK_MS));
    await look(`${count}, ${AT_WORK} turns`, async () => {
      const turns = ids.slice(0, AT_WORK).map(async (id, n) => {
        await sleep((n / AT_WORK) * LOOK_MS * 0.8);
        await world.copilot.session(id).send(MESSAGE);
      });
      await Promise.all([...turns, sleep(LOOK_MS)]);
    });
    const expected = 2 * AT_WORK * FOLLOWERS_EACH;
    console.log(`${received} of ${expected} events of turns reached followers`);
  } finally {
    leave.abort();
    await gateway.kill();
    await proxy.close();
  }
}
