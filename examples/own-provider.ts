/**
 * A provider of models of your own, given to a worker as an object.
 *
 *     node examples/own-provider.ts        (with `copilot dev` running in another terminal)
 */
import { CopilotClient, loadConfig } from '../src/client.ts';
import type { Provider } from '../src/models/index.ts';
import { startWorker } from '../src/worker.ts';

const usage = { inputTokens: 1, cachedTokens: 0, cacheWriteTokens: 0, outputTokens: 1, reasoningTokens: 0 };
const echo: Provider = {
  name: 'echo',
  model: (name) => ({
    id: `echo/${name}`,
    reply: async ({ messages, onText }) => {
      const text = `You said: ${messages.at(-1)?.text}`;
      onText?.(text);
      return {
        ...{ text, reasoning: '', toolCalls: [], finish: 'stop', model: name },
        usage: { ...usage, isEstimate: true },
      };
    },
  }),
  close: async () => {},
};

// A task queue of its own, beside the worker of `copilot dev`.
const config = { ...loadConfig(), taskQueue: 'echo' };
const worker = await startWorker({ config, providers: { echo }, defaultProvider: 'echo' });
const client = await CopilotClient.connect({ config });
const session = await client.create({ mode: 'one-shot' });
const turn = await session.send('Hello');
console.log(turn.reply);
await client.close();
await worker.stop();
