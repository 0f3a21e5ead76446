/** A turn as one trace, from the client that sends its message to the models and tools that it calls. */
import assert from 'node:assert/strict';
import { pathToFileURL } from 'node:url';
import { CopilotClient } from '../../src/client.ts';
import { startGateway } from '../../src/gateway/gateway.ts';
import { recordingLog } from '../unit/agents/files/team-folder.ts';
import { KeyStore } from '../../src/gateway/principals/key-file.ts';
import { itInFull } from '../helpers/full.ts';
import { fullHistory, until } from '../helpers/history.ts';
import { type OtlpReceiver, type ReceivedSpan, startOtlpReceiver } from '../helpers/otlp-receiver.ts';
import { freePort } from '../helpers/ports.ts';
import { isolatedConfig } from '../helpers/server.ts';
import { callsOf, playTeam } from '../helpers/team-script.ts';
import { startWorld, type World } from '../helpers/world.ts';

const FILES = ['a.txt', 'b.txt', 'c.txt'];
const CLIENT = 3;
const CALLER = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
const HOOK = pathToFileURL('test/helpers/loaded-packages.mjs').href;

describe('traces', function () {
  this.timeout(300_000);
  let world: World;
  let receiver: OtlpReceiver;
  let traced: CopilotClient;

  before(async () => {
    receiver = await startOtlpReceiver();
    world = await startWorld({ workers: 0 });
    const config = isolatedConfig(world.server.homeDir, otel());
    traced = await CopilotClient.connect({ config, address: world.server.address });
  });
  after(async () => {
    await traced.close();
    await world.stop();
    await receiver.close();
  });

  const otel = (more: Record<string, string> = {}): Record<string, string> => ({
    OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url,
    OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
    ...more,
  });
  const named = (name: string): ReceivedSpan[] => receiver.spans.filter((span) => span.name === name);

  it('[O01] a planned turn with an approval, a killed worker and a new run is one trace with the right parents, and no text of people', async () => {
    let isDoomed = true;
    playTeam(world.model, {
      files: FILES,
      answer: 'mango answer',
      // The worker dies in the middle of this call.
      instead: ({ task }) => (isDoomed && task === 'write b.txt' ? { delayMs: 200_000 } : undefined),
    });
    const doomed = await world.startWorker(otel());
    const config = { approvals: { plan: true }, historyLimit: 40 };
    const session = await traced.create({ config });
    const { id: turnId } = await session.send('Write three mango files', { wait: false });
    await until('a plan to approve', async () => (await session.requests()).length === 1);
    const [request] = await session.requests();
    await session.decide(request?.id ?? '', 'approve', { by: 'mango-approver', text: 'mango remark' });
    await until('the second step', () => Promise.resolve(callsOf(world.model).includes('step write b.txt')));
    // What a killed worker has not sent is lost.
    await until('the spans of the first', () => Promise.resolve(named('invoke_agent engineer').length === 1));
    isDoomed = false;
    await doomed.kill();
    const heir = await world.startWorker(otel());
    const turn = await session.awaitTurn(turnId);
    assert.equal(turn.reply, 'mango answer');
    await until('the span of the turn', () => Promise.resolve(named('invoke_workflow default').length === 1));
    await heir.stop();
    await traced.close();
    traced = await CopilotClient.connect({
      config: isolatedConfig(world.server.homeDir, otel()),
      address: world.server.address,
    });

    const { spans } = receiver;
    assert.equal(new Set(spans.map(({ traceId }) => traceId)).size, 1);
    assert.equal(new Set(spans.map(({ spanId }) => spanId)).size, spans.length, 'two spans have one id');
    assert.equal(treeOf(spans).length, spans.length, 'a span lacks its parent');
    const round = below('copilotRunAgent', 'chat gpt-6-luna');
    assert.deepEqual(
      treeOf(spans),
      below(
        'send',
        ...below(
          'invoke_workflow default',
          ...below('invoke_agent writer', ...round),
          'await_person plan',
          ...FILES.flatMap(() =>
            below('invoke_agent engineer', ...round, ...below('copilotRunTool', 'execute_tool write_file'), ...round),
          ),
          ...below('invoke_agent writer', ...round),
        ),
      ),
    );
    const attributes = (name: string): Readonly<Record<string, unknown>> => named(name)[0]?.attributes ?? {};
    assert.ok(named('copilotRunAgent').some((span) => Number(span.attributes['temporal.activity.attempt']) > 1));
    const runs = new Set(spans.map((span) => span.attributes['temporal.run.id']).filter((run) => run !== undefined));
    assert.ok(runs.size > 1, 'the session did not continue as new');
    const [chat] = spans.filter((span) => span.name.startsWith('chat '));
    assert.ok(chat);
    assert.equal(chat.kind, CLIENT);
    assert.equal(chat.attributes['gen_ai.operation.name'], 'chat');
    assert.equal(chat.attributes['gen_ai.response.model'], 'scripted');
    assert.deepEqual(chat.attributes['gen_ai.response.finish_reasons'], ['tool_calls']);
    assert.ok(Number(chat.attributes['gen_ai.usage.input_tokens']) > 0);
    assert.ok(Number(chat.attributes['gen_ai.usage.output_tokens']) > 0);
    assert.equal(typeof chat.attributes['gen_ai.provider.name'], 'string');
    assert.equal(attributes('execute_tool write_file')['gen_ai.tool.name'], 'write_file');
    assert.equal(attributes('invoke_workflow default')['gen_ai.operation.name'], 'invoke_workflow');
    assert.equal(attributes('invoke_agent engineer')['gen_ai.agent.name'], 'engineer');
    assert.ok(
      spans.every(
        (span) => span.attributes['gen_ai.conversation.id'] === session.id || /^(chat|execute_tool) /.test(span.name),
      ),
    );
    assert.ok(spans.every((span) => span.endMs >= span.startMs));
    for (const body of receiver.bodies) assert.doesNotMatch(body, /mango|I am a\.txt/);
  });

  itInFull(
    'has what people and models say if that is asked for, by protobuf if nothing else is, and for senders without traces, too',
    async () => {
      playTeam(world.model, { answer: 'papaya answer' });
      const worker = await world.startWorker({
        OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: `${receiver.url}/own/path`,
        OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT: 'true',
        COPILOT_LOG_LEVEL: 'debug',
      });
      const session = await world.copilot.create();
      assert.equal((await session.send('papaya question')).reply, 'papaya answer');
      await worker.stop();
      assert.ok(receiver.contentTypes.has('POST /own/path application/x-protobuf'), [...receiver.contentTypes].join());
      const last = receiver.bodies.filter((body) => body.includes('papaya')).join('');
      for (const text of ['papaya question', 'papaya answer', 'gen_ai.input.messages', 'invoke_workflow default']) {
        assert.ok(last.includes(text), text);
      }
      const line =
        worker
          .log()
          .split('\n')
          .find((text) => text.includes('"call ended"')) ?? '';
      const { ms, trace_id: trace, ...told } = JSON.parse(line) as Record<string, unknown>;
      assert.match(String(trace), /^[0-9a-f]{32}$/);
      assert.equal(typeof ms, 'number');
      assert.deepEqual(
        [told['session'], told['turn'], told['activity'], told['outcome']],
        [session.id, 'turn-1', 'copilotRunAgent', 'ok'],
      );
      assert.doesNotMatch(line, /papaya/);
    },
  );

  itInFull('of a message over HTTP hangs under the span that the request names', async () => {
    playTeam(world.model, { answer: 'kiwi answer' });
    const worker = await world.startWorker(otel());
    const { homeDir } = world.server;
    const { key } = await new KeyStore(homeDir).add('ada', 'user');
    const requests = recordingLog();
    requests.log.level = 'debug';
    const gateway = await startGateway({
      client: traced,
      homeDir,
      host: '127.0.0.1',
      port: 0,
      preparePage: () => Promise.reject(new Error('no browser comes')),
      limits: isolatedConfig(homeDir).gatewayLimits,
      log: requests.log,
    });
    const post = async (path: string, body: object): Promise<Record<string, string>> => {
      const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json', traceparent: CALLER };
      const response = await fetch(gateway.url + path, { method: 'POST', headers, body: JSON.stringify(body) });
      return (await response.json()) as Record<string, string>; // what the routes give
    };
    const { id } = await post('/v1/sessions', {});
    await post(`/v1/sessions/${id}/messages?wait=true`, { text: 'kiwi question' });
    await fetch(`${gateway.url}/v1/sessions/${id}/turns/turn-1`, { headers: { authorization: `Bearer ${key}` } });
    const logged = requests.lines.filter(({ msg }) => msg === 'request answered');
    assert.deepEqual(
      logged.map((line) => [line['method'], line['route'], line['status'], line['session'], line['turn']]),
      [
        ['POST', '/v1/sessions', 201, undefined, undefined],
        ['POST', '/v1/sessions/:id/messages', 202, id, undefined],
        ['GET', '/v1/sessions/:id/turns/:turnId', 200, id, 'turn-1'],
      ],
    );
    assert.doesNotMatch(JSON.stringify(logged), /kiwi/);
    await gateway.close();
    await worker.stop();
    const [, traceId, callerId] = CALLER.split('-');
    const ofCaller = () => receiver.spans.filter((span) => span.traceId === traceId);
    await until('the spans', () => Promise.resolve(ofCaller().length === 5));
    assert.deepEqual(
      treeOf(ofCaller(), callerId),
      below(
        'send',
        ...below(
          'invoke_workflow default',
          ...below('invoke_agent writer', ...below('copilotRunAgent', 'chat gpt-6-luna')),
        ),
      ),
    );
  });

  it('[U08] the log, the metrics and the trace of a planned turn tell the same: lines of calls, failed ones and requests name session, turn and step', async () => {
    let isFailing = true;
    playTeam(world.model, {
      files: FILES.slice(0, 2),
      answer: 'written',
      instead: ({ task }) => {
        const fails = isFailing && task === 'write b.txt';
        if (fails) isFailing = false;
        return fails ? { status: 503 } : undefined;
      },
    });
    const port = String(await freePort());
    const worker = await world.startWorker(otel({ COPILOT_LOG_LEVEL: 'debug', COPILOT_METRICS_PORT: port }));
    const session = await traced.create({ mode: 'planning-control' });
    const turn = await session.send('Write two files');
    assert.equal(turn.status, 'completed');
    const metrics = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
    await worker.stop();

    const lines = logLines(worker.log()).filter((line) => line['session'] === session.id);
    const attempts = lines.filter(({ msg }) => msg === 'call ended');
    const [step1, step2] = ['1', '2'].map((step) => [
      `copilotRunAgent step ${step} ok`,
      `copilotRunTool step ${step} ok`,
      `copilotRunAgent step ${step} ok`,
    ]);
    const told = attempts
      .filter((line) => 'step' in line)
      .map(({ activity, step, outcome }) => `${activity} step ${step} ${outcome}`);
    assert.deepEqual(told, [...(step1 ?? []), 'copilotRunAgent step 2 ModelUnavailable', ...(step2 ?? [])]);
    assert.ok(attempts.every((line) => line['turn'] === turn.id));
    const failures = lines.filter(({ msg }) => msg === 'Activity failed');
    assert.deepEqual(
      failures.map((line) => [line['level'], line['turn'], line['step']]),
      [['warn', turn.id, 2]],
    );

    assert.match(metrics, /^copilot_tool_calls_total\{tool="write_file",status="ok"\} 2$/m);
    const count = /^copilot_activity_duration_seconds_count\{activity="copilotRunAgent",outcome="ok"\} (\d+)$/m;
    const answered = attempts.filter(({ activity, outcome }) => activity === 'copilotRunAgent' && outcome === 'ok');
    assert.equal(Number(count.exec(metrics)?.[1]), answered.length);

    const [traceId, ...others] = new Set(attempts.map((line) => line['trace_id']));
    assert.deepEqual(others, []);
    const ofTurn = () => receiver.spans.filter((span) => span.traceId === traceId);
    await until('the span of the message', () => Promise.resolve(ofTurn().some(({ name }) => name === 'send')));
    const calls = ofTurn().filter(({ name }) => name === 'copilotRunAgent' || name === 'copilotRunTool');
    const inLog = attempts.filter(({ activity }) => activity === 'copilotRunAgent' || activity === 'copilotRunTool');
    assert.deepEqual(
      calls.map(({ attributes: at }) => JSON.stringify([at['copilot.turn.id'], at['copilot.step']])).toSorted(),
      inLog.map((line) => JSON.stringify([line['turn'], line['step']])).toSorted(),
    );
    assert.equal(ofTurn().filter(({ name }) => name.startsWith('chat ')).length >= answered.length, true);
  });

  itInFull('loads nothing and adds nothing to history if nobody asks for traces', async () => {
    playTeam(world.model, { answer: 'quiet' });
    const hook = { NODE_OPTIONS: `--import ${HOOK}` };
    const bodies = receiver.bodies.length;
    const worker = await world.startWorker(hook);
    const session = await world.copilot.create();
    assert.equal((await session.send('hello')).reply, 'quiet');
    await worker.stop();
    assert.doesNotMatch(worker.log(), /loads @opentelemetry/);
    assert.equal(receiver.bodies.length, bodies);
    for (const event of await fullHistory(world.temporal, session.id)) {
      const text = JSON.stringify(event, (_, value: unknown) =>
        value instanceof Uint8Array ? Buffer.from(value).toString() : value,
      );
      assert.doesNotMatch(text, /"trace\\?"|traceparent/);
    }
    // The hook would notice.
    const other = await world.startWorker({ ...hook, ...otel() });
    await other.stop();
    assert.match(other.log(), /loads @opentelemetry\/sdk-trace/);
  });
});

/** Lines of a span and those below it. */
function below(name: string, ...lines: string[]): string[] {
  return [name, ...lines.map((line) => `  ${line}`)];
}

/** One line for each span, below its parent, in the order of their starts. */
function treeOf(spans: readonly ReceivedSpan[], parent = ''): string[] {
  return spans
    .filter(({ parentSpanId }) => parentSpanId === parent)
    .toSorted((a, b) => a.startMs - b.startMs)
    .flatMap((span) => below(span.name, ...treeOf(spans, span.spanId)));
}

/** The JSON lines of a worker. Those of calls have words and numbers only. */
function logLines(log: string): Readonly<Record<string, string | number>>[] {
  return log
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as Record<string, string | number>);
}
