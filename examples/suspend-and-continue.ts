/**
 * Suspends a session in the middle of a plan and lets it go on where it stopped.
 *
 *     node examples/suspend-and-continue.ts        (with `copilot dev` running in another terminal)
 */
import { CopilotClient } from '../src/client.ts';

const client = await CopilotClient.connect();
const session = await client.create({ mode: 'planning-control' });
const sent = await session.send(
  'Write "one" to one.txt, then write "two" to two.txt, then write "three" to three.txt',
  { wait: false },
);

for await (const event of session.follow({ from: 0 })) {
  if (event.type === 'step-ended') {
    console.log(`step ${event.step} ${event.status}`);
    break;
  }
}
const { status } = await session.suspend({ reason: 'lunch' });
console.log(`The session is ${status}. Stop and start server and worker now, if you like.`);

// What ran is finished and kept; the turn waits in the middle of its plan.
const waiting = await session.awaitTurn(sent.id);
console.log(`turn ${waiting.status}: ${waiting.steps.map((step) => step.status).join(', ')}`);

await session.continue();
const turn = await session.awaitTurn(sent.id);
console.log(`turn ${turn.status}: ${turn.steps.map((step) => step.status).join(', ')}`);
console.log(`files: ${turn.artifacts.join(', ')}`);
await client.close();
