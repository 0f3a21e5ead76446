/**
 * Starts a session on a file and prints the answer.
 *
 *     node examples/start-session.ts        (with `copilot dev` running in another terminal)
 */
import { fileURLToPath } from 'node:url';
import { CopilotClient } from '../src/client.ts';

const client = await CopilotClient.connect();
const session = await client.create({
  user: 'ada',
  attach: [fileURLToPath(new URL('data/seattle-weather.csv', import.meta.url))],
});
console.log(`Session ${session.id}`);

const turn = await session.send('Profile seattle-weather.csv');
console.log(`${turn.status}: ${turn.reply}`);

// The same session, by its id: from another process, or after a restart of everything.
const again = await client.session(session.id).send('What is 19 * 23?');
console.log(`${again.status}: ${again.reply}`);

const { turns, usage } = await session.info();
console.log(`${turns} turns, ${usage.inputTokens + usage.outputTokens} tokens`);
await client.close();
