/** The package as somebody gets it from npm, in a project of theirs. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { stripTypeScriptTypes } from 'node:module';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { itInFull } from '../helpers/full.ts';
import { createProject, type Project } from '../helpers/installed.ts';
import { type ModelServer, startModelServer } from '../helpers/model-server.ts';
import { calling } from '../helpers/replies.ts';
import { writeTeam } from '../helpers/own-team.ts';
import { playTeam } from '../helpers/team-script.ts';
import { programEnvironment } from '../helpers/worker.ts';

const TSCONFIG = {
  compilerOptions: {
    strict: true,
    skipLibCheck: false,
    module: 'nodenext',
    target: 'es2024',
    types: ['node'],
    noEmit: true,
  },
};

const CONFIG = `
import { defineConfig, defineTool } from 'durable-copilot/worker';
import { appendFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';

const pay = defineTool({
  name: 'pay',
  description: 'Pays an amount in euros.',
  parameters: z.object({ to: z.string(), euros: z.number().positive() }),
  category: 'write',
  effects: 'external',
  needsApproval: ({ euros }) => euros > 100,
  async run({ to, euros }, { workspace, idempotencyKey }) {
    await appendFile(join(workspace, 'ledger.csv'), \`\${to},\${euros}\\n\`);
    return { text: \`Paid \${euros.toFixed(2)} to \${to} (\${idempotencyKey}).\`, artifacts: ['ledger.csv'] };
  },
});

export default defineConfig({ tools: [pay] });
`;

const CLIENT = `
import { CopilotClient, CopilotError, type FollowEvent, type SessionFile, type TurnView } from 'durable-copilot';

const [address, attached] = process.argv.slice(2);
const client = await CopilotClient.connect({ address });
const session = await client.create({ team: 'bills', attach: attached === undefined ? [] : [attached] });
const stream = session.stream('pay the bill');
let text = '';
const asked: string[] = [];
for await (const event of stream) {
  const seen: FollowEvent = event;
  if (seen.type === 'token') text += seen.text;
  if (seen.type !== 'request') continue;
  const { id, kind, digest } = seen.request;
  asked.push(kind);
  await session.decide(id, 'once', { by: 'ada', digest });
}
const turn: TurnView = await stream.result();
const files: readonly SessionFile[] = await session.files.list();
const ledger: Uint8Array = await session.files.get('ledger.csv');
const missing = await session.files.get('none.txt').catch((error: unknown) => error instanceof CopilotError && error.type);
console.log(JSON.stringify({ text, asked, status: turn.status, artifacts: turn.artifacts, files: files.map(({ path }) => path), ledger: new TextDecoder().decode(ledger), missing }));
await client.close();
`;

/** Prints what the import of a package loads. */
const MODULES = `
import { registerHooks } from 'node:module';
const urls = new Set();
registerHooks({ load: (url, context, next) => (urls.add(url), next(url, context)) });
await import(process.argv[2]);
console.log(JSON.stringify([...urls]));
`;

/** Asks for a table as the tools do. */
const ASK_TABLE = `
const { askEngine } = await import('./node_modules/durable-copilot/dist/src/tables/run-engine.js');
const question = { files: [], choices: {}, ask: { kind: 'profile' }, signal: new AbortController().signal };
await askEngine({ tool: 'table_profile', workspace: '.' }, question);
`;

/** Begins to host sessions, as a program of somebody who has only the client. */
const HOST = `
const { startWorker, CopilotError } = await import('durable-copilot/worker');
const { aiSdk, openAi } = await import('durable-copilot/models');
const errors = [];
for (const begin of [() => startWorker(), () => openAi()]) {
  try { await begin(); } catch (error) { errors.push(error instanceof CopilotError && [error.type, error.details.package]); }
}
console.log(JSON.stringify(errors));
`;

/** Parts of this package that the client consists of. */
const CLIENT_PARTS = [
  'client',
  'config',
  'connection',
  'contracts',
  'direct-text',
  'environment-values',
  'package-info',
  'secret-files',
  'storage',
  'tracing',
];
const WORKER_PACKAGES =
  /^(@temporalio\/(worker|core-bridge|testing|activity)|webpack|openai|@duckdb|vega|hono|commander|pino|@opentelemetry)/;

describe('an installed package', function () {
  this.timeout(300_000);
  let project: Project;
  let model: ModelServer;

  before(async () => {
    project = await createProject({ tools: ['typescript', '@types/node'] });
    model = await startModelServer();
    playTeam(model, {
      instead: ({ lastRole, last }) =>
        lastRole === 'tool' ? { text: `It is done: ${last}` } : calling(['pay', { to: 'Ulm Energy', euros: 120 }]),
    });
  });
  after(async () => {
    await project?.remove();
    await model?.close();
  });

  it('[E09] serves a strict TypeScript project with its own tool and team, by npx and from a process with another home', async () => {
    await project.write('tsconfig.json', JSON.stringify(TSCONFIG));
    await project.write('copilot.config.ts', CONFIG);
    // No router: the writer gets the message.
    await writeTeam(join(project.folder, 'agents'), 'bills', {
      team: { routing: undefined },
      agents: { writer: { tools: ['pay', 'read_file'] } },
    });
    await project.write('client.ts', CLIENT);
    await project.write('bill.txt', '120 euros to Ulm Energy');
    await project.run(process.execPath, ['node_modules/typescript/bin/tsc', '-p', '.']);

    const variables = { COPILOT_AGENTS_DIR: 'agents', OPENAI_BASE_URL: model.baseUrl, OPENAI_API_KEY: 'test' };
    const { TEMPORAL_ADDRESS: _, ...env } = programEnvironment({ homeDir: join(project.folder, 'home'), address: '' });
    Object.assign(env, variables);
    const dev = await startDev(env);
    try {
      const elsewhere = programEnvironment({ homeDir: join(project.folder, 'elsewhere'), address: '' });
      const printed = await project.run(process.execPath, ['client.ts', dev.address, 'bill.txt'], elsewhere);
      const { text, ...seen } = JSON.parse(printed) as { text: string };
      assert.match(text, /^It is done: Paid 120\.00 to Ulm Energy \(ses_\w+\/turn-1\//);
      assert.deepEqual(seen, {
        asked: ['tool'],
        status: 'completed',
        artifacts: ['ledger.csv'],
        files: ['bill.txt', 'ledger.csv'],
        ledger: 'Ulm Energy,120\n',
        missing: 'FileNotFound',
      });
      assert.equal(existsSync(join(project.folder, 'elsewhere')), false);
      // The same from JavaScript.
      await project.write('client.js', stripTypeScriptTypes(CLIENT));
      const again = await project.run(process.execPath, ['client.js', dev.address], elsewhere);
      assert.match(again, /"status":"completed"/);
    } finally {
      await dev.stop();
    }
  });

  /** `npx copilot dev`, until it is ready. */
  async function startDev(env: Record<string, string>): Promise<{ address: string; stop(): Promise<void> }> {
    // A process group of its own, to which Ctrl-C goes as in a terminal.
    const child = spawn('npx', ['--no-install', 'copilot', 'dev', '--json'], {
      cwd: project.folder,
      env,
      detached: true,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const ended = once(child, 'exit');
    const stop = async (): Promise<void> => {
      if (child.pid !== undefined && child.exitCode === null) process.kill(-child.pid, 'SIGINT');
      await ended;
    };
    for await (const line of createInterface(child.stdout)) {
      const { type, address = '' } = JSON.parse(line) as { type: string; address?: string };
      if (type === 'ready') return { address, stop };
    }
    return assert.fail('copilot dev ended');
  }

  it('[E09] has a client that loads nothing of workers, models, tools and the command line', async () => {
    await project.write('modules.mjs', MODULES);
    const modules = JSON.parse(await project.run(process.execPath, ['modules.mjs', 'durable-copilot'])) as string[];
    const own = modules.flatMap((url) => /\/durable-copilot\/dist\/src\/(\w[\w-]*)/.exec(url)?.[1] ?? []);
    assert.deepEqual([...new Set(own)].toSorted(), CLIENT_PARTS);
    const packages = modules.flatMap((url) => /.*\/node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(url)?.[1] ?? []);
    assert.deepEqual(
      [...new Set(packages)].filter((name) => WORKER_PACKAGES.test(name)),
      [],
    );
    assert.ok(packages.includes('@temporalio/client'));
  });

  it('has the licences of the packages whose code it brings along', async () => {
    const file = 'node_modules/durable-copilot/dist/THIRD-PARTY-NOTICES.txt';
    const notices = await readFile(join(project.folder, file), 'utf8');
    // Of the workflow code, and of the page.
    for (const name of ['@temporalio/workflow', 'zod', 'preact', 'marked'])
      assert.match(notices, RegExp(`^${name} [\\d.]+ \\(MIT\\)$`, 'm'));
    assert.match(notices, /Copyright \(c\) 2015-present Jason Miller/);
  });

  itInFull('without its optional packages is a client, and says what its other commands lack', async () => {
    const client = await createProject({ tools: ['typescript', '@types/node'], isClientOnly: true });
    try {
      await client.write('tsconfig.json', JSON.stringify(TSCONFIG));
      await client.write('client.ts', CLIENT);
      await client.run(process.execPath, ['node_modules/typescript/bin/tsc', '-p', '.']);
      const environment = programEnvironment({ homeDir: join(client.folder, 'home'), address: '127.0.0.1:1' });
      const printed = client.run(process.execPath, ['client.ts', '127.0.0.1:1'], environment);
      await assert.rejects(printed, /No Temporal server answers at 127\.0\.0\.1:1/);
      const listed = client.run('npx', ['--no-install', 'copilot', 'list'], environment);
      await assert.rejects(listed, /No Temporal server answers at 127\.0\.0\.1:1/);
      const worker = client.run('npx', ['--no-install', 'copilot', 'worker'], environment);
      await assert.rejects(
        worker,
        /A worker needs the package @temporalio\/worker, which is not installed\. Run `npm install --include=optional`/,
      );
      const hosted = await client.run(process.execPath, ['--input-type=module', '-e', HOST], environment);
      assert.deepEqual(JSON.parse(hosted), [
        ['PackageMissing', '@temporalio/worker'],
        ['PackageMissing', 'openai'],
      ]);
      const table = client.run(process.execPath, ['--input-type=module', '-e', ASK_TABLE], environment);
      await assert.rejects(table, /this worker has no DuckDB.*npm install --include=optional/);
    } finally {
      await client.remove();
    }
  });
});
