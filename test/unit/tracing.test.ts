/** How spans find each other, and what the standard variables say. */
import assert from 'node:assert/strict';
import { loadConfig } from '../../src/config.ts';
import { traceSending, underCaller } from '../../src/tracing/send-span.ts';
import { readTraceSettings } from '../../src/tracing/settings.ts';
import { parentOf, spanIdOf, Traces } from '../../src/tracing/traces.ts';
import { type OtlpReceiver, startOtlpReceiver } from '../helpers/otlp-receiver.ts';

const CALLER = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
const UNSAMPLED = CALLER.replace(/01$/, '00');

describe('traces', () => {
  let receiver: OtlpReceiver;
  before(async () => void (receiver = await startOtlpReceiver()));
  after(() => receiver.close());

  const open = async (more: Record<string, string> = {}): Promise<Traces> => {
    const traces = await Traces.open(
      readTraceSettings({
        OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url,
        OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
        ...more,
      }),
    );
    assert.ok(traces);
    return traces;
  };

  it('are asked for by the standard variables', () => {
    const url = (given: Record<string, string>): string | undefined => loadConfig(given).traces?.url;
    assert.equal(url({}), undefined);
    assert.equal(url({ OTEL_TRACES_EXPORTER: 'otlp' }), 'http://localhost:4318/v1/traces');
    assert.equal(url({ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://c:1/base/' }), 'http://c:1/base/v1/traces');
    const own = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://c:1', OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'http://d:2/in' };
    assert.equal(url(own), 'http://d:2/in');
    for (const off of [
      { OTEL_TRACES_EXPORTER: 'none' },
      { OTEL_TRACES_EXPORTER: 'console' },
      { OTEL_SDK_DISABLED: 'true' },
      { OTEL_SDK_DISABLED: 'True' },
    ]) {
      assert.equal(url({ ...own, ...off }), undefined, JSON.stringify(off));
    }
    const settings = (given: Record<string, string>) => readTraceSettings({ ...own, ...given });
    assert.equal(settings({})?.protocol, 'http/protobuf');
    assert.equal(settings({ OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: 'http/json' })?.protocol, 'http/json');
    assert.equal(settings({ OTEL_BSP_SCHEDULE_DELAY: 'soon' })?.batch.scheduledDelayMillis, 1_000);
    const CAPTURE = 'OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT';
    for (const [value, expected] of Object.entries({
      true: true,
      SPAN_AND_EVENT: true,
      EVENT_ONLY: false,
      false: false,
    })) {
      assert.equal(settings({ [CAPTURE]: value })?.withContent, expected, value);
    }
  });

  it('are left out with a word about why if their protocol is not one that is spoken', async () => {
    const told: string[] = [];
    const settings = readTraceSettings({ OTEL_TRACES_EXPORTER: 'otlp', OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' });
    assert.equal(await Traces.open(settings, (problem) => told.push(problem)), undefined);
    assert.match(told.join(), /is grpc; use http\/protobuf or http\/json/);
  });

  it('name the spans of a turn alike in every process, and otherwise for each time that it is taken up', () => {
    const turn = { turnId: 'turn-1' };
    assert.deepEqual(parentOf('ses_1', turn, 'step-1'), parentOf('ses_1', { ...turn }, 'step-1'));
    const { traceId } = parentOf('ses_1', turn);
    assert.match(traceId, /^[0-9a-f]{32}$/);
    assert.notEqual(parentOf('ses_2', turn).traceId, traceId);
    assert.equal(parentOf('ses_1', { ...turn, takenUp: 1 }).traceId, traceId);
    const ids = [
      spanIdOf('ses_1', turn, ''),
      spanIdOf('ses_1', turn, 'step-1'),
      spanIdOf('ses_1', { ...turn, takenUp: 1 }, 'step-1'),
      spanIdOf('ses_1', { turnId: 'turn-2' }, 'step-1'),
    ];
    assert.equal(new Set(ids).size, ids.length);
    assert.deepEqual(parentOf('ses_1', { ...turn, trace: UNSAMPLED }), {
      traceId: '0af7651916cd43dd8448eb211c80319c',
      spanId: 'b7ad6b7169203331',
      isSampled: false,
    });
  });

  it('hang under the caller that a request names; a header that is none is ignored', async () => {
    const traces = await open();
    const sent = async (header: string | undefined): Promise<string> =>
      await underCaller(header, () =>
        traceSending(traces, 'ses_1', { messageId: 'm', text: 'hi' }, ({ trace = '' }) => Promise.resolve(trace)),
      );
    const [own, bad, under] = [await sent(undefined), await sent('00-zz-1-01'), await sent(CALLER)];
    assert.match(under, /^00-0af7651916cd43dd8448eb211c80319c-[0-9a-f]{16}-01$/);
    assert.notEqual(under, CALLER);
    // A message that is sent again is in the same trace.
    assert.equal(own.split('-')[1], bad.split('-')[1]);
    assert.match(await sent(UNSAMPLED), /-00$/);
    await traces.close();
    assert.deepEqual(receiver.spans.map(({ parentSpanId }) => parentSpanId).toSorted(), ['', '', 'b7ad6b7169203331']);
  });

  it('are sampled by share, the same way by everybody', async () => {
    const ratio = { OTEL_TRACES_SAMPLER: 'parentbased_traceidratio', OTEL_TRACES_SAMPLER_ARG: '0.5' };
    const [one, other] = [await open(ratio), await open(ratio)];
    const turns = Array.from({ length: 40 }, (_, index) => ({ turnId: `turn-${index}` }));
    const flags = (traces: Traces): string[] =>
      turns.map((turn) => {
        const parent = parentOf('ses_1', turn, 'step-1');
        return traces.begin({ name: 'x', parent, attributes: {} }).traceparent.slice(-2);
      });
    assert.deepEqual(flags(one), flags(other));
    assert.deepEqual(new Set(flags(one)), new Set(['00', '01']));
    await one.close();
    await other.close();
  });

  it('do not keep a program that ends although nobody takes them, and say so', async () => {
    const told: string[] = [];
    const settings = readTraceSettings({ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:9' });
    const traces = await Traces.open(settings, (problem) => told.push(problem), 500);
    assert.ok(traces);
    traces.begin({ name: 'x', parent: parentOf('ses_1', { turnId: 'turn-1' }), attributes: {} }).end();
    const began = Date.now();
    await traces.close();
    assert.ok(Date.now() - began < 20_000);
    assert.equal(told.length, 1);
    assert.notEqual(told[0], '');
  });
});
