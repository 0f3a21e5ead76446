/** A service that has installed the package: sessions in its own worker and workflows, from TypeScript and JavaScript. */
import assert from 'node:assert/strict';
import { stripTypeScriptTypes } from 'node:module';
import { itInFull } from '../helpers/full.ts';
import { createProject, type Project } from '../helpers/installed.ts';
import { startTestServer, type TestServer } from '../helpers/server.ts';
import { programEnvironment } from '../helpers/worker.ts';

const TSCONFIG = {
  compilerOptions: {
    strict: true,
    skipLibCheck: false,
    module: 'nodenext',
    target: 'es2024',
    types: ['node'],
    noEmit: true,
    allowImportingTsExtensions: true,
  },
};

const WORKFLOWS = `
import { continueAsNew, proxyActivities } from '@temporalio/workflow';
import { openSession, type SessionResult, startSession, type TurnView, type WorkflowSession } from 'durable-copilot/workflows';

const { plan } = proxyActivities<{ plan(order: string): Promise<string> }>({ startToCloseTimeout: '10s' });

export async function checkOrder(order: string, sessionId?: string): Promise<string> {
  if (sessionId === undefined) {
    const session: WorkflowSession = await startSession({ user: 'orders', mode: 'one-shot' });
    return await continueAsNew<typeof checkOrder>(order, session.id);
  }
  const turn: TurnView = await openSession(sessionId).send(await plan(order), { messageId: 'check' });
  const { info }: SessionResult = await openSession(sessionId).complete();
  return \`\${turn.status}: \${turn.reply}, \${info.turns}\`;
}
`;

const SERVICE = `
import { fileURLToPath } from 'node:url';
import { Client } from '@temporalio/client';
import { bundleWorkflowCode, NativeConnection, Worker } from '@temporalio/worker';
import { copilotPlugin, startWorker, type HostingOptions, type RunningWorker } from 'durable-copilot/worker';

const [address = '', workflows = ''] = process.argv.slice(2);
const connection = await NativeConnection.connect({ address });
const options: HostingOptions = {};
const plugins = [copilotPlugin(options)];
const workflowsPath = fileURLToPath(new URL(workflows, import.meta.url));
const client = new Client({ connection });
const activities = { plan: async (order: string) => \`What is \${order.length} * 10?\` };
const answers: string[] = [];
// Bundled by the worker, and bundled ahead.
for (const code of [{ workflowsPath }, { workflowBundle: await bundleWorkflowCode({ workflowsPath, plugins }) }]) {
  const worker = await Worker.create({ connection, taskQueue: 'orders', activities, plugins, ...code });
  await worker.runUntil(async () => {
    const started = { taskQueue: 'orders', workflowId: \`order-\${answers.length}\`, args: ['four'] };
    answers.push(await client.workflow.execute('checkOrder', started));
  });
}
const other: RunningWorker = await startWorker({ connection, taskQueue: 'other' });
await other.stop();
await connection.close();
console.log(JSON.stringify(answers));
`;

describe('a service that has installed the package', function () {
  this.timeout(300_000);
  let project: Project;
  let server: TestServer;

  before(async () => {
    server = await startTestServer();
    project = await createProject({ tools: ['typescript', '@types/node'] });
    await project.write('tsconfig.json', JSON.stringify(TSCONFIG));
    for (const [name, source] of Object.entries({ workflows: WORKFLOWS, service: SERVICE })) {
      await project.write(`${name}.ts`, source);
      await project.write(`js/${name}.js`, stripTypeScriptTypes(source));
    }
  });
  after(async () => {
    await project.remove();
    await server.stop();
  });

  const serve = async (program: string, workflows: string): Promise<unknown> => {
    const env = programEnvironment(server, { COPILOT_LOG_LEVEL: 'error' });
    return JSON.parse(await project.run('node', [program, server.address, workflows], env));
  };

  itInFull('compiles strictly, without skipLibCheck', async () => {
    await project.run('node', ['node_modules/typescript/bin/tsc', '-p', '.']);
  });

  const answers = ['completed: 4 * 10 = 40, 1', 'completed: 4 * 10 = 40, 1'];

  itInFull('[E04] hosts sessions beside its workflows, which start one', async () => {
    assert.deepEqual(await serve('service.ts', 'workflows.ts'), answers);
  });

  itInFull('[E04] does so from JavaScript, too', async () => {
    assert.deepEqual(await serve('js/service.js', 'workflows.js'), answers);
  });
});
