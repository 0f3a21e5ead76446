import assert from 'node:assert/strict';
import type { SessionHandle } from '../../../src/client.ts';
import { type ApiRequest, type ApiServer, startApiServer } from '../../helpers/api-server.ts';
import { call, type Item, message, reasoning, ResponsesRules } from '../../helpers/responses-api.ts';
import { startWorld, type World } from '../../helpers/world.ts';

/** Sessions over the Responses API. The stand-in refuses each reasoning item that does not stand where it belongs. */
describe('sessions over the Responses API', function () {
  this.timeout(180_000);
  let api: ApiServer;
  let rules: ResponsesRules;
  let world: World;
  let made: number;

  before(async () => {
    rules = new ResponsesRules();
    made = 0;
    api = await startApiServer(
      (request) => rules.refusal(request.body.input) ?? rules.answer(withReasoning(respond(request))),
    );
    world = await startWorld({ env: { OPENAI_BASE_URL: `${api.url}/v1`, COPILOT_MODEL_API: 'responses' } });
  });
  after(async () => {
    await world.stop();
    await api.close();
  });

  /** Every output item is thought about first. */
  function withReasoning(items: readonly Item[]): Item[] {
    return items.flatMap((item) => [reasoning(`rs_${(made += 1)}`, `secret ${made}`), item]);
  }

  function said(value: unknown): Item {
    return message(typeof value === 'string' ? value : JSON.stringify(value), `msg_${(made += 1)}`);
  }

  function tool(name: string, args: object): Item {
    return call(`call_${(made += 1)}`, name, JSON.stringify(args));
  }

  function respond({ body }: ApiRequest): Item[] {
    const input = body.input as Item[];
    const last = input.at(-1);
    const words = JSON.stringify(input.filter(({ role }) => role === 'user').at(-1) ?? '');
    const hasResults = last?.['type'] === 'function_call_output';
    const offered = (name: string) =>
      (body.tools as Item[] | undefined)?.some((tool) => tool['name'] === name) === true;
    if (!hasResults && offered('make_plan') && words.includes('plan')) {
      return [tool('make_plan', { steps: [step('Compute two things'), step('Compute two more')] })];
    }
    const mayReport = offered('report_step');
    if (!hasResults && (mayReport || words.includes('compute'))) {
      return [tool('calculate', { expression: `1 + ${made}` }), tool('calculate', { expression: `2 + ${made}` })];
    }
    if (mayReport) return [tool('report_step', { status: 'done', summary: 'Both are computed.' })];
    return [said(`answer ${made}`)];
  }

  async function complete(session: SessionHandle, text: string): Promise<void> {
    const turn = await session.send(text);
    assert.equal(turn.status, 'completed', turn.error?.message);
  }

  it('[M02] [M03] reasoning goes back in order over plans, parallel tools, runs, workers, export and import', async () => {
    const session = await world.copilot.create({ mode: 'copilot', config: { historyLimit: 60 } });
    await complete(session, 'Please plan this');
    for (let turn = 2; turn <= 30; turn++) {
      await complete(session, turn % 5 === 0 ? 'Please compute' : `question ${turn}`);
      if (turn === 12) {
        await world.workers[0]?.kill();
        await world.startWorker();
      }
    }
    const info = await session.info();
    assert.ok(info.runs >= 3, `${info.runs} runs`);
    assert.ok(rules.returned > 100, `${rules.returned} reasoning items came back`);
    assert.ok(info.usage.reasoningTokens > 0 && info.usage.cachedTokens > 0);

    const exported: unknown = JSON.parse(JSON.stringify(await session.export()));
    const copy = await world.copilot.import(exported);
    const before = rules.returned;
    await complete(copy, 'Please compute');
    assert.ok(rules.returned > before + 5, 'the copy has the reasoning, too');
  });
});

function step(task: string): object {
  return { agent: 'engineer', task, notes: '', alongside: false };
}
