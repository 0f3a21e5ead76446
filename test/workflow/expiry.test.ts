import { startSkippingWorld, type SkippingWorld } from '../helpers/time-skipping.ts';
import { playTeam } from '../helpers/team-script.ts';
const HOUR = 3600000;
describe('x', function () {
  this.timeout(300000);
  let world: SkippingWorld;
  before(async () => { console.time('start'); world = await startSkippingWorld(); console.timeEnd('start'); playTeam(world.model); });
  after(() => world?.stop());
  it('a', async () => {
    console.time('create');
    const s = await world.copilot.create({});
    console.timeEnd('create');
    console.time('send');
    console.log((await s.send('hello')).reply);
    console.timeEnd('send');
    console.log(await s.info());
    await world.pass(23.9 * HOUR);
    console.log((await s.info()).status, new Date(await world.nowMs()));
    await world.pass(0.2 * HOUR);
    await new Promise((r) => setTimeout(r, 500));
    console.log((await s.info()).status, new Date(await world.nowMs()));
    const d = await world.temporal.workflow.getHandle(s.id).describe();
    console.log(d.status, d.searchAttributes);
  });
});
