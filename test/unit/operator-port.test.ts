/** What Kubernetes and Prometheus ask a worker or gateway. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { newOperated, openOperatorPort } from '../../src/operator-port.ts';
import { freePort } from '../helpers/ports.ts';
import { fails } from '../helpers/client.ts';
import { CallMetrics } from '../../src/worker/call-metrics.ts';

describe('the port for operators', () => {
  it('answers from the first moment, and with what holds now', async () => {
    const operated = newOperated();
    const port = await freePort();
    const listener = await openOperatorPort(port, operated);
    const get = async (path: string): Promise<readonly [number, string]> => {
      const response = await fetch(`http://127.0.0.1:${port}${path}`);
      return [response.status, await response.text()];
    };
    try {
      assert.deepEqual(await get('/healthz'), [200, '{"status":"ok"}']);
      assert.deepEqual(await get('/readyz'), [503, '{"status":"waiting","problem":"it starts"}']);
      assert.deepEqual(await get('/metrics'), [200, '']);
      operated.ready = () => Promise.resolve(undefined);
      operated.metrics = () => Promise.resolve({ contentType: 'text/plain', text: 'copilot_one 1\n' });
      assert.deepEqual(await get('/readyz'), [200, '{"status":"ok"}']);
      assert.deepEqual(await get('/metrics'), [200, 'copilot_one 1\n']);
      for (const path of ['/stats', '/agents/close', '/']) assert.equal((await get(path))[0], 404);
    } finally {
      await listener.close();
    }
    await assert.rejects(get('/healthz'));
  });

  it('says so if it is taken', async () => {
    const taken = createServer().listen(0);
    await once(taken, 'listening');
    const { port } = taken.address() as AddressInfo; // it listens on a port
    try {
      await fails(
        openOperatorPort(port, newOperated()),
        'InvalidConfig',
        new RegExp(`COPILOT_METRICS_PORT=${port}.*EADDRINUSE`),
      );
    } finally {
      taken.close();
    }
  });
});

describe('metrics of calls', () => {
  it('count attempts by how they ended, tokens by model and tools by status', async () => {
    const metrics = new CallMetrics();
    await metrics.measure('copilotRunAgent', () => Promise.resolve());
    await assert.rejects(metrics.measure('copilotRunAgent', () => Promise.reject(new TypeError('secret words'))));
    const usage = {
      inputTokens: 100,
      cachedTokens: 60,
      cacheWriteTokens: 0,
      outputTokens: 7,
      reasoningTokens: 0,
      modelCalls: 2,
      estimatedCalls: 0,
      toolCalls: 0,
    };
    metrics.countAnswer({ usage, model: 'm', instance: 'i', worker: 'w' });
    metrics.countTool('shell', { status: 'failed', text: 'secret words', artifacts: [], worker: 'w' });
    const text = await metrics.registry.metrics();
    for (const line of [
      'copilot_activity_duration_seconds_count{activity="copilotRunAgent",outcome="ok"} 1',
      'copilot_activity_duration_seconds_count{activity="copilotRunAgent",outcome="TypeError"} 1',
      'copilot_model_calls_total{model="m"} 2',
      'copilot_model_tokens_total{model="m",type="input"} 100',
      'copilot_model_tokens_total{model="m",type="cached"} 60',
      'copilot_model_tokens_total{model="m",type="output"} 7',
      'copilot_tool_calls_total{tool="shell",status="failed"} 1',
    ]) {
      assert.ok(text.split('\n').includes(line), `${line} is not in\n${text}`);
    }
    assert.doesNotMatch(text, /secret/);
  });
});
