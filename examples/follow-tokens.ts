/**
 * Shows the text of a reply while the model writes it.
 *
 *     node examples/follow-tokens.ts [session]        (with `copilot dev` running in another terminal)
 */
import { CopilotClient } from '../src/client.ts';

const client = await CopilotClient.connect();
const [id] = process.argv.slice(2);
const session =
  id === undefined ? await client.create({ mode: 'one-shot', message: 'What is 2 + 3?' }) : client.session(id);

for await (const event of session.follow({ from: 0 })) {
  if (event.type === 'token') process.stdout.write(event.text);
  // The worker died or the model failed in mid-sentence: the call begins again.
  if (event.type === 'reset') console.log('\n[what you read of this reply is void]');
  if (event.type === 'model-ended') console.log();
  if (event.type === 'tool-started') console.log(`[${event.summary}]`);
  if (event.type === 'turn-ended') break;
}
await client.close();
