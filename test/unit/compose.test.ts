/** The production form says the same as the program. Reads files only: no Docker needed. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { z } from 'zod';
import { packageDir } from '../../src/package-info.ts';

/** What `temporal server start-dev` sets by itself and sessions need: `list` asks for several windows in a row. */
const START_DEV_SETS = { 'frontend.namespaceRPS.visibility': 100 };

const Service = z.looseObject({
  image: z.string().optional(),
  build: z.string().optional(),
  container_name: z.string().optional(),
  ports: z.array(z.string()).default([]),
  environment: z.union([z.array(z.string()), z.record(z.string(), z.string())]).default([]),
  volumes: z.array(z.string()).default([]),
  stop_grace_period: z.string().optional(),
});
const Compose = z.object({ services: z.record(z.string(), Service), volumes: z.record(z.string(), z.null()) });
const DynamicConfig = z.record(
  z.string(),
  z.tuple([z.strictObject({ value: z.union([z.boolean(), z.number(), z.string()]) })]),
);

describe('[U06] docker-compose.yml', () => {
  const { services, volumes } = Compose.parse(parse(source('docker-compose.yml'), { merge: true }));
  const service = (name: string): z.infer<typeof Service> => {
    const found = services[name];
    assert.ok(found, `there is no service ${name}`);
    return found;
  };

  it('gives the server the dynamic configuration that the program gives its own', () => {
    const given = DynamicConfig.parse(parse(source('docker/dynamic-config.yaml')));
    const values = Object.fromEntries(Object.entries(given).map(([key, [{ value }]]) => [key, value]));
    const own = ownDynamicConfig();
    assert.ok('system.enableActivityEagerExecution' in own && 'history.transferProcessorMaxPollRPS' in own);
    assert.deepEqual(values, { ...own, ...START_DEV_SETS });
    const { volumes: mounts, environment } = service('temporal');
    assert.ok(mounts.includes('./docker:/setup:ro'));
    assert.equal(variables(environment)['DYNAMIC_CONFIG_FILE_PATH'], '/setup/dynamic-config.yaml');
  });

  it('keeps closed sessions as long as the server that the program starts', () => {
    const days = /OWN_RETENTION_MS = ([\d_]+) \* DAY_MS/
      .exec(source('src/server/namespace.ts'))?.[1]
      ?.replaceAll('_', '');
    assert.equal(variables(service('namespace-setup').environment)['RETENTION'], `${Number(days) * 24}h`);
  });

  it('runs PostgreSQL, Temporal with its Web UI, and workers', () => {
    assert.deepEqual(Object.keys(services), [
      'postgres',
      'database-setup',
      'temporal',
      'namespace-setup',
      'ui',
      'worker',
      'gateway',
    ]);
    assert.match(service('postgres').image ?? '', /^postgres:\d+/);
    assert.match(service('ui').image ?? '', /^temporalio\/ui:\d/);
    assert.equal(variables(service('ui').environment)['TEMPORAL_ADDRESS'], 'temporal:7233');
  });

  it('runs the same version of the server and of its tools', () => {
    const version = /^temporalio\/server:(\d+\.\d+\.\d+)$/.exec(service('temporal').image ?? '')?.[1];
    assert.ok(version);
    for (const name of ['database-setup', 'namespace-setup']) {
      assert.ok(service(name).image?.startsWith(`temporalio/admin-tools:${version}-`), service(name).image);
    }
  });

  it('has a worker that there can be any number of', () => {
    const { container_name, ports, build } = service('worker');
    assert.deepEqual({ container_name, ports, build }, { container_name: undefined, ports: [], build: '.' });
  });

  it('has workers that share their workspaces and get the model from the caller', () => {
    const { volumes: mounts, environment } = service('worker');
    assert.ok(mounts.includes('workspaces:/workspaces'));
    assert.ok('workspaces' in volumes);
    assert.match(source('Dockerfile'), /COPILOT_WORKSPACE_ROOT=\/workspaces\b/);
    for (const name of ['OPENAI_API_KEY', 'OPENAI_BASE_URL']) {
      assert.ok(
        Array.isArray(environment) && environment.includes(name),
        `${name} is handed on as it is, or not at all`,
      );
    }
    assert.equal(variables(environment)['TEMPORAL_ADDRESS'], 'temporal:7233');
  });

  it('lets a stopping worker finish: it gets longer than the worker gives its activities', () => {
    const graceSeconds = Number(/shutdownGraceTime: '(\d+)s'/.exec(source('src/worker/settings.ts'))?.[1]);
    const stopSeconds = Number(/^(\d+)s$/.exec(service('worker').stop_grace_period ?? '')?.[1]);
    assert.ok(stopSeconds > graceSeconds, `${stopSeconds} s against ${graceSeconds} s`);
  });

  it('opens ports to this machine only, since nothing there asks for a password', () => {
    const open = Object.values(services).flatMap(({ ports }) => ports);
    assert.deepEqual(open, ['127.0.0.1:7233:7233', '127.0.0.1:8080:8080', '127.0.0.1:7280:7280']);
  });

  it('keeps the database in a volume', () => {
    assert.deepEqual(service('postgres').volumes, ['postgres:/var/lib/postgresql/data']);
    assert.ok('postgres' in volumes);
  });
});

describe('the worker image', () => {
  it('runs the built worker, and not as root', () => {
    const stage =
      source('Dockerfile')
        .split(/^FROM /m)
        .at(-1) ?? '';
    assert.match(stage, /^USER node$/m);
    const { bin } = JSON.parse(source('package.json')) as { bin: { copilot: string } }; // our own file
    assert.ok(stage.includes(`\nENTRYPOINT ["node", "${bin.copilot}"]\n`));
    assert.match(stage, /^CMD \["worker"\]$/m);
  });

  it('is built from files that .dockerignore lets through', () => {
    const allowed = source('.dockerignore')
      .split('\n')
      .flatMap((line) => (line.startsWith('!') ? [line.slice(1)] : []));
    const copied = [...source('Dockerfile').matchAll(/^COPY (?!--from)(.+)$/gm)].flatMap(([, names = '']) =>
      names.split(' ').slice(0, -1),
    );
    assert.deepEqual([...new Set(copied)].sort(), allowed.sort());
  });
});

function source(path: string): string {
  return readFileSync(join(packageDir, path), 'utf8');
}

/** From the flags in the source: the program has them nowhere else. */
function ownDynamicConfig(): Record<string, unknown> {
  const folder = join(packageDir, 'src/server');
  const code = readdirSync(folder)
    .map((name) => readFileSync(join(folder, name), 'utf8'))
    .join('\n');
  const values = [...code.matchAll(/'((?:system|history|frontend|matching|limit)\.[\w.]+)=([^']+)'/g)];
  return Object.fromEntries(values.map(([, key = '', value = '']): [string, unknown] => [key, JSON.parse(value)]));
}

function variables(environment: z.infer<typeof Service>['environment']): Record<string, string> {
  if (!Array.isArray(environment)) return environment;
  return Object.fromEntries(
    environment.map((entry) => entry.split(/=(.*)/s, 2)).map(([name = '', value = '']) => [name, value]),
  );
}
