/** `copilot doctor`, and what it guards: closed sessions that stay. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { msToTs, optionalTsToMs } from '@temporalio/common/lib/time.js';
import { parse } from 'yaml';
import { packageDir } from '../../src/package-info.ts';
import { SEARCH_ATTRIBUTES } from '../../src/contracts/search-attributes.ts';
import type { Check } from '../../src/doctor/diagnose.ts';
import { writeRecord } from '../../src/connection/address/home-server.ts';
import { runCli } from '../helpers/cli.ts';
import { fails } from '../helpers/client.ts';
import { itInFull } from '../helpers/full.ts';
import { fullHistory, until } from '../helpers/history.ts';
import { writeTeam } from '../helpers/own-team.ts';
import { temporaryFolder } from '../helpers/server.ts';
import { playTeam } from '../helpers/team-script.ts';
import { programEnvironment, startWorkerProcess } from '../helpers/worker.ts';
import { startWorld, type World } from '../helpers/world.ts';

const DAY_MS = 24 * 60 * 60 * 1_000;
const TEN_YEARS_DAYS = 3_650;
const SECRET = 'sk-do-not-print';

interface Diagnosis {
  readonly code: number | null;
  readonly checks: readonly Check[];
  /** The check of that name. */
  readonly get: (check: string) => Check;
}

async function doctor(env: Record<string, string>): Promise<Diagnosis> {
  const { code, stdout, stderr } = await runCli(['doctor', '--json'], env);
  assert.ok(stdout.startsWith('['), stderr);
  assert.ok(!stdout.includes(SECRET) && !stderr.includes(SECRET));
  const checks = JSON.parse(stdout) as Check[]; // the command's form is asserted on below
  return {
    code,
    checks,
    get: (name) => {
      const found = checks.find(({ check }) => check === name);
      assert.ok(found, `no check "${name}" among ${checks.map(({ check }) => check).join(', ')}`);
      return found;
    },
  };
}

const notOk = ({ checks }: Diagnosis): string[] =>
  checks.flatMap(({ check, status }) => (status === 'ok' ? [] : [`${check}: ${status}`]));

/** What is found or missing, then what to do about it. */
function tells(found: Diagnosis, wanted: Readonly<Record<string, RegExp>>): void {
  for (const [check, text] of Object.entries(wanted)) {
    const { detail, hint } = found.get(check);
    const told = `${detail} ${hint}`;
    assert.match(told, text, `${check}: ${told}`);
  }
}

/** Makes a program believe that it runs on a Node that is too old. */
const OLD_NODE = "Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '20.20.2' } })";

describe('copilot doctor', function () {
  this.timeout(180_000);

  describe('where no server runs', () => {
    let home: string;
    let env: Record<string, string>;

    beforeEach(async () => {
      home = await temporaryFolder();
      const { TEMPORAL_ADDRESS: _, ...others } = programEnvironment({ homeDir: home, address: '' });
      // No server of this machine's user, which may listen at the default address.
      env = others;
      // The process of that id is no server.
      const record = { address: '127.0.0.1:1', namespace: 'default', pid: process.pid };
      await writeRecord(home, { ...record, uiUrl: '', dbFile: '', startedAt: '' });
    });
    afterEach(() => rm(home, { recursive: true, force: true }));

    it('says how to start one, starts none, and changes nothing', async () => {
      const found = await doctor(env);
      assert.equal(found.code, 0, JSON.stringify(notOk(found)));
      assert.deepEqual(notOk(found), ['server: warning']);
      assert.match(found.get('server').hint ?? '', /copilot dev$/);
      assert.match(found.get('server').detail, /none runs for .*127\.0\.0\.1:1, the server of this home folder/);
      assert.deepEqual(await readdir(home), ['server.json']);
    });

    itInFull('has something missing where a server was named, and where none could be started', async () => {
      const named = await doctor({ ...env, TEMPORAL_ADDRESS: '127.0.0.1:1' });
      assert.deepEqual([named.code, notOk(named)], [1, ['server: missing']]);
      assert.match(named.get('server').detail, /named by TEMPORAL_ADDRESS/);
      assert.match(named.get('server').hint ?? '', /unset TEMPORAL_ADDRESS; copilot dev$/);
      const bare = await doctor({ ...env, PATH: '/nowhere', COPILOT_CACHE_DIR: join(home, 'cache') });
      assert.equal(bare.code, 1);
      assert.deepEqual(notOk(bare).slice(0, 2), ['server program: missing', 'server: missing']);
      assert.match(bare.get('server').hint ?? '', /docs\.temporal\.io\/cli#install/);
    });

    it('names a setting or profile that is wrong, and quotes no secret of it', async () => {
      const setting = await doctor({ ...env, OPENAI_BASE_URL: SECRET });
      assert.deepEqual([setting.code, notOk(setting)], [1, ['settings: missing']]);
      assert.match(setting.get('settings').hint ?? '', /unset OPENAI_BASE_URL$/);
      const profile = join(home, 'temporal.toml');
      await writeFile(profile, `[profile.default]\napi_key = "${SECRET}" oops\n`);
      const broken = await doctor({ ...env, TEMPORAL_CONFIG_FILE: profile });
      assert.equal(broken.get('server').status, 'missing');
      assert.match(broken.get('server').hint ?? '', /unset TEMPORAL_CONFIG_FILE$/);
    });
  });

  describe('with a server', () => {
    let world: World;
    let env: Record<string, string>;

    before(async () => {
      world = await startWorld();
      env = programEnvironment(world.server, {
        OPENAI_BASE_URL: world.model.baseUrl,
        OPENAI_API_KEY: SECRET,
        COPILOT_MODEL: 'scripted',
      });
      // A namespace that nobody has prepared.
      const { workflowService, operatorService } = world.temporal.connection;
      await workflowService.registerNamespace({
        namespace: 'bare',
        workflowExecutionRetentionPeriod: msToTs(DAY_MS),
      });
      await until('the namespace', async () =>
        operatorService.listSearchAttributes({ namespace: 'bare' }).catch(() => undefined),
      );
    });
    after(() => world.stop());

    /** What the trial of a model gets: its call, then its form. The model `unknown` does not exist. */
    function scriptTrial(): void {
      world.model.respond(({ model, tools }) =>
        model === 'unknown'
          ? { status: 404, error: { message: 'the model "unknown" does not exist' } }
          : (tools ?? []).length > 0
            ? { toolCalls: [{ name: 'add', arguments: { a: 17, b: 25 } }] }
            : { json: { sum: 42 } },
      );
    }

    it('[U07] finds Node, server, search attributes, dynamic configuration, key, model and tools, and says of each when it is missing, with what to do', async () => {
      scriptTrial();
      const found = await doctor(env);
      assert.deepEqual([found.code, notOk(found)], [0, []]);
      assert.deepEqual(
        found.checks.map((check) => [Object.keys(check), check.hint]),
        found.checks.map(() => [['check', 'status', 'detail', 'hint'], null]),
      );
      assert.ok(found.get('node').detail.startsWith(process.versions.node));
      assert.match(found.get('server').detail, new RegExp(`^${world.server.address}, .*; version \\d+\\.\\d+\\.\\d+$`));
      assert.equal(found.get('web ui').detail, world.server.uiUrl);
      assert.equal(found.get('retention').detail, 'closed sessions are kept for 3653 days');
      for (const { name } of SEARCH_ATTRIBUTES) assert.ok(found.get('search attributes').detail.includes(name), name);
      assert.match(found.get('dynamic configuration').detail, /system\.enableActivityEagerExecution=true/);
      assert.match(
        found.get('workers').detail,
        new RegExp(`^1 on task queue "copilot": copilot-${world.workers[0]?.pid}@`),
      );
      assert.equal(found.get('key').detail, 'OPENAI_API_KEY is set');
      assert.equal(
        found.get('model scripted').detail,
        `chat completions at ${world.model.baseUrl}: tool calls native, forms by schema`,
      );
      assert.match(found.get('team default').detail, /^5 agents/);
      assert.match(found.get('code python').detail, /^3\.\d+/);

      const lacking = await doctor({
        ...env,
        COPILOT_HOME: join(world.server.homeDir, 'other'),
        TEMPORAL_NAMESPACE: 'bare',
        OPENAI_BASE_URL: 'http://127.0.0.1:1/v1',
        COPILOT_AGENTS_DIR: join(world.server.homeDir, 'no-agents'),
      });
      assert.equal(lacking.code, 1);
      assert.deepEqual(notOk(lacking), [
        'web ui: warning',
        'retention: warning',
        'search attributes: missing',
        'dynamic configuration: warning',
        'workers: missing',
        'model scripted: missing',
        'teams: missing',
      ]);
      tells(lacking, {
        'search attributes': /CopilotStatus.* temporal operator search-attribute create/,
        'dynamic configuration': /cannot be read.*enableActivityEagerExecution/,
        workers: /^none asks task queue "copilot".* copilot worker$/,
        'model scripted': /^chat completions at http:\/\/127\.0\.0\.1:1\/v1: .* Start that server/,
        teams: /no-agents/,
      });

      const agentsDir = join(world.server.homeDir, 'agents-with-tools');
      await writeTeam(agentsDir, 'default', { team: { mcp: { notes: { command: 'no-such-program' } } } });
      const { OPENAI_API_KEY: _, ...withoutKey } = env;
      const others = await doctor({
        ...withoutKey,
        NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(OLD_NODE)}`,
        TEMPORAL_ADDRESS: '127.0.0.1:1',
        COPILOT_MODEL: 'unknown',
        COPILOT_AGENTS_DIR: agentsDir,
      });
      assert.equal(others.code, 1);
      assert.deepEqual(notOk(others), [
        'node: missing',
        'server: missing',
        'model unknown: missing',
        'mcp default/notes: missing',
      ]);
      tells(others, {
        node: /^20\.20\.2, and 22\.18 is needed Install it: nvm install 22\.18/,
        server: /named by TEMPORAL_ADDRESS.* unset TEMPORAL_ADDRESS; copilot dev$/,
        'model unknown': /does not exist; it has scripted Name one .*COPILOT_MODEL=scripted$/,
        'mcp default/notes': /^no-such-program is not on PATH /,
      });
      assert.equal(others.get('key').detail, 'OPENAI_API_KEY is not set; requests go without one');
    });

    it('prints a line for each check, with a mark, and under it what to do', async () => {
      const { code, stdout, stderr } = await runCli(['doctor'], { ...env, COPILOT_TASK_QUEUE: 'nobody' });
      assert.equal(code, 1, stderr);
      assert.ok(!stdout.includes(SECRET));
      const lines = stdout.trimEnd().split('\n');
      assert.match(lines[0] ?? '', /^✓ ok {7}node +\d+\./);
      const at = lines.findIndex((line) => /^✗ missing {2}workers +none asks task queue "nobody"/.test(line));
      assert.equal(lines[at + 1]?.trim(), '→ Start one: copilot worker');
      assert.equal(lines.filter((line) => line.startsWith('✗')).length, 1);
      assert.match(stderr, /1 missing\n$/);
    });

    itInFull('gives the commands for what a namespace lacks, and registers nothing', async () => {
      const found = await doctor({ ...env, TEMPORAL_NAMESPACE: 'bare' });
      assert.deepEqual(
        [found.code, notOk(found)],
        [1, ['retention: warning', 'search attributes: missing', 'workers: missing']],
      );
      const target = `--address ${world.server.address} --namespace bare`;
      assert.equal(found.get('retention').hint, `temporal operator namespace update ${target} --retention 87672h`);
      const { hint } = found.get('search attributes');
      const create = `temporal operator search-attribute create ${target}`;
      assert.ok(hint?.includes(`${create} --type Datetime --name CopilotUpdatedAt`), hint ?? '');
      const { customAttributes } = await world.temporal.connection.operatorService.listSearchAttributes({
        namespace: 'bare',
      });
      assert.ok(!('CopilotStatus' in (customAttributes ?? {})), 'doctor has registered it');

      const absent = await doctor({ ...env, TEMPORAL_NAMESPACE: 'not-there' });
      assert.deepEqual([absent.code, notOk(absent)], [1, ['namespace: missing']]);
      assert.equal(
        absent.get('namespace').hint,
        `temporal operator namespace create --address ${world.server.address} --namespace not-there --retention 87672h`,
      );
    });

    itInFull('says honestly that the settings of somebody else’s server cannot be read', async () => {
      const home = await temporaryFolder();
      try {
        const found = await doctor({ ...env, COPILOT_HOME: home });
        assert.deepEqual([found.code, notOk(found)], [0, ['web ui: warning', 'dynamic configuration: warning']]);
        assert.match(
          found.get('dynamic configuration').detail,
          /cannot be read.*enableActivityEagerExecution is off by default/,
        );
        const shown = await doctor({ ...env, COPILOT_HOME: home, COPILOT_UI_URL: 'https://ui.example/temporal/' });
        assert.equal(shown.get('web ui').detail, 'https://ui.example/temporal');
      } finally {
        await rm(home, { recursive: true, force: true });
      }
    });

    it('and every command show the Web UI that COPILOT_UI_URL names', async () => {
      playTeam(world.model, { answer: 'noted' });
      const { stdout, stderr } = await runCli(['start', '--json'], {
        ...env,
        COPILOT_UI_URL: 'https://ui.example/temporal/',
      });
      const { sessionId, webUrl } = JSON.parse(stdout) as { sessionId: string; webUrl: string };
      assert.equal(webUrl, `https://ui.example/temporal/namespaces/default/workflows/${sessionId}`, stderr);
    });
  });
});

describe('closed sessions', function () {
  this.timeout(180_000);
  let world: World;

  before(async () => {
    world = await startWorld();
    playTeam(world.model, { answer: 'noted' });
  });
  after(() => world.stop());

  async function retentionDays(namespace: string): Promise<number> {
    const { config } = await world.temporal.connection.workflowService.describeNamespace({ namespace });
    return (optionalTsToMs(config?.workflowExecutionRetentionTtl) ?? 0) / DAY_MS;
  }

  async function listed(user: string): Promise<[string, string][]> {
    const { sessions } = await world.copilot.list({ user });
    return sessions.map(({ id, status }) => [id, status]);
  }

  it('[S18] stay listed and readable until deleted, for 10 years or with a warning; the archive brings one back that the server has forgotten', async () => {
    // What the program starts, and docker-compose, keep closed workflows for 10 years.
    assert.ok((await retentionDays('default')) >= TEN_YEARS_DAYS);
    assert.ok(composeRetentionHours() / 24 >= TEN_YEARS_DAYS);

    // Closed sessions are listed, and read without any worker.
    const kept = await world.copilot.create({ user: 'kept', mode: 'one-shot' });
    const lost = await world.copilot.create({ user: 'lost', mode: 'one-shot', context: { city: 'Ulm' } });
    for (const session of [kept, lost]) {
      assert.equal((await session.send('remember the number 42')).reply, 'noted');
      await session.complete();
    }
    const { messages } = await lost.transcript();
    assert.equal(messages.length, 2);
    for (const [user, { id }] of [
      ['kept', kept],
      ['lost', lost],
    ] as const) {
      await until('the list', async () => (await listed(user))[0]?.[1] === 'completed');
      assert.deepEqual(await listed(user), [[id, 'completed']]);
    }
    assert.deepEqual(
      (await kept.transcript()).messages.map(({ text }) => text),
      ['remember the number 42', 'noted'],
    );

    // The export was in the archive before the session was closed.
    const events = await fullHistory(world.temporal, lost.id);
    const scheduled = events.find(
      ({ activityTaskScheduledEventAttributes: task }) => task?.activityType?.name === 'copilotArchive',
    );
    assert.ok(scheduled, 'nothing was archived');
    const archived = events.findIndex(
      ({ activityTaskCompletedEventAttributes: task }) => String(task?.scheduledEventId) === String(scheduled.eventId),
    );
    const closed = events.findIndex((event) => event.workflowExecutionCompletedEventAttributes);
    assert.ok(archived > 0 && closed > archived, `archived at ${archived}, closed at ${closed}`);

    // The server forgets it, as at the end of a retention.
    await world.temporal.workflowService.deleteWorkflowExecution({
      namespace: 'default',
      workflowExecution: { workflowId: lost.id },
    });
    await until('the server to forget', async () =>
      lost.info().then(
        () => false,
        () => true,
      ),
    );
    await fails(lost.info(), 'SessionNotFound', new RegExp(lost.id));
    const env = programEnvironment(world.server);
    const path = join(world.server.homeDir, 'archive', `${lost.id}.json`);
    const imported = await runCli(['import', path, '--keep-id', '--json'], env);
    assert.equal(imported.code, 0, imported.stderr);
    const again = world.copilot.session(lost.id);
    assert.deepEqual((await again.transcript()).messages, messages);
    assert.equal((await again.context()).values['city'], 'Ulm');
    assert.equal((await again.send('and now?')).number, 2);

    // A namespace that keeps less: doctor and start-up say so, with the command.
    await world.temporal.workflowService.updateNamespace({
      namespace: 'default',
      config: { workflowExecutionRetentionTtl: msToTs(400 * DAY_MS) },
    });
    const command = `temporal operator namespace update --address ${world.server.address} --namespace default --retention 87672h`;
    const { get } = await until('the namespace', async () => {
      const diagnosis = await doctor(env);
      return diagnosis.get('retention').status === 'warning' ? diagnosis : undefined;
    });
    assert.match(get('retention').detail, /forgotten after 400 days/);
    assert.equal(get('retention').hint, command);
    const worker = await startWorkerProcess(world.server);
    try {
      assert.match(worker.log(), /"level":"warn",.*Namespace \\"default\\" forgets a closed session after 400 days/);
      assert.ok(worker.log().includes(command), worker.log());
    } finally {
      await worker.kill();
    }

    // Until deleted.
    await kept.delete();
    await fails(kept.info(), 'SessionNotFound', new RegExp(kept.id));
    assert.deepEqual(await listed('kept'), []);
  });
});

/** Of the namespace that docker-compose makes. */
function composeRetentionHours(): number {
  type Compose = { readonly services: { readonly 'namespace-setup': { environment: { RETENTION: string } } } };
  const { services } = parse(readFileSync(join(packageDir, 'docker-compose.yml'), 'utf8')) as Compose; // ours
  return Number.parseInt(services['namespace-setup'].environment.RETENTION, 10);
}
