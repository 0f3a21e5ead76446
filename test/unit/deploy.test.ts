/** The manifests for Kubernetes and Docker Compose say what the program takes. `npm run check:deploy` asks their own tools. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { parse, parseAllDocuments } from 'yaml';
import { z } from 'zod';
import { loadTeam } from '../../src/agents/files/load-team.ts';
import { loadConfig } from '../../src/config.ts';
import { packageDir } from '../../src/package-info.ts';
import { withOwnTools } from '../../src/tools/registry.ts';
import { isFull } from '../helpers/full.ts';

const FOLDER = 'deploy/kubernetes';
const read = (path: string): string => readFileSync(join(packageDir, path), 'utf8');

/** Every variable that the program reads. */
const VARIABLES = [
  ...(/const Environment = z\.object\(\{([^]*?)\n\}\);/.exec(read('src/config.ts'))?.[1] ?? '').matchAll(
    /^ {2}([A-Z_]+):/gm,
  ),
].map(([, name = '']) => name);

/** Set by the image, or by what runs it. */
const PLACES = [
  'COPILOT_HOME',
  'COPILOT_WORKSPACE_ROOT',
  'COPILOT_ARCHIVE_DIR',
  'COPILOT_CACHE_DIR',
  'COPILOT_AGENTS_DIR',
];
/** Files of a Secret. */
const SECRETS = ['OPENAI_API_KEY', 'COPILOT_MODEL_HEADERS', 'COPILOT_ENCRYPTION_KEYS', 'COPILOT_CODEC_TOKEN'];
/** The address of one replica. */
const OF_REPLICA = ['COPILOT_DIRECT_TEXT_LISTEN', 'COPILOT_DIRECT_TEXT_URL'];

/** Read by the client of S3, for a payload store there. */
const OF_S3 = ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY', 'AWS_SESSION_TOKEN', 'AWS_REGION', 'AWS_ENDPOINT_URL_S3'];

const Probe = z.object({ httpGet: z.object({ path: z.string(), port: z.string() }) });
const Container = z.object({
  args: z.array(z.string()),
  env: z.array(z.object({ name: z.string(), value: z.string().optional() })),
  ports: z.array(z.object({ name: z.string(), containerPort: z.int() })),
  livenessProbe: Probe,
  readinessProbe: Probe,
  startupProbe: Probe,
  resources: z.object({ limits: z.object({ cpu: z.string(), memory: z.string() }) }),
  securityContext: z.object({
    allowPrivilegeEscalation: z.literal(false),
    readOnlyRootFilesystem: z.literal(true),
    capabilities: z.object({ drop: z.tuple([z.literal('ALL')]) }),
  }),
  volumeMounts: z.array(z.object({ name: z.string(), mountPath: z.string(), readOnly: z.boolean().optional() })),
});
const Deployment = z.object({
  spec: z.object({
    template: z.object({
      spec: z.object({
        terminationGracePeriodSeconds: z.int(),
        automountServiceAccountToken: z.literal(false),
        securityContext: z.object({ runAsNonRoot: z.literal(true), runAsUser: z.int().min(1) }),
        containers: z.tuple([Container]),
      }),
    }),
  }),
});

function podOf(part: 'worker' | 'gateway') {
  const documents = parseAllDocuments(read(`${FOLDER}/${part}.yaml`)).map((one) => one.toJSON() as { kind: string });
  return Deployment.parse(documents.find(({ kind }) => kind === 'Deployment')).spec.template.spec;
}

describe('[O03] deploy/kubernetes', () => {
  const settings = Object.fromEntries(
    read(`${FOLDER}/settings.env`)
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('#'))
      .map((line) => line.split(/=(.*)/s, 2) as [string, string]), // each has a sign
  );

  it('settings.env has every setting that is no secret, and the program takes it as it is', () => {
    const own = Object.keys(settings).filter((name) => !/^(OTEL|TEMPORAL)_/.test(name));
    const elsewhere = [...PLACES, ...SECRETS, ...OF_REPLICA];
    assert.deepEqual(own.toSorted(), VARIABLES.filter((name) => !elsewhere.includes(name)).toSorted());
    const config = loadConfig(settings);
    assert.equal(config.traces, undefined);
    assert.equal(config.build, undefined);
  });

  for (const part of ['worker', 'gateway'] as const) {
    it(`the ${part} has probes of its port, limits, and nothing that it may change but its volumes`, () => {
      const { containers, terminationGracePeriodSeconds } = podOf(part);
      const [{ args, ports, livenessProbe, readinessProbe, startupProbe, volumeMounts }] = containers;
      assert.equal(args[0], part);
      assert.equal(
        ports.find(({ name }) => name === 'operator')?.containerPort,
        Number(settings['COPILOT_METRICS_PORT']),
      );
      assert.deepEqual(
        [livenessProbe, readinessProbe, startupProbe].map(({ httpGet }) => `${httpGet.port}${httpGet.path}`),
        ['operator/healthz', 'operator/readyz', 'operator/healthz'],
      );
      // Longer than a stopping worker or gateway takes.
      assert.ok(terminationGracePeriodSeconds > 15);
      const written = volumeMounts.filter(({ readOnly }) => readOnly !== true).map(({ mountPath }) => mountPath);
      assert.deepEqual(
        written.toSorted(),
        (part === 'worker'
          ? ['/home/node/.copilot', '/tmp', '/workspaces']
          : ['/home/node/.copilot', '/tmp']
        ).toSorted(),
      );
    });
  }

  it('the worker takes its key from a file, and says where followers find its text', () => {
    const { env } = podOf('worker').containers[0];
    const values = Object.fromEntries(
      env.map(({ name, value = '' }) => [name, value.replace('$(POD_IP)', '10.0.0.7')]),
    );
    const { OPENAI_API_KEY_FILE: file = '', ...others } = values;
    assert.match(file, /^\/run\/secrets\/copilot\//);
    const config = loadConfig({ ...settings, ...others });
    assert.deepEqual(config.directText?.url, 'http://10.0.0.7:7290');
  });

  for (const part of ['worker', 'gateway'] as const) {
    it(`the ${part} starts with encryption as well`, async () => {
      const { patches } = parse(read(`${FOLDER}/encryption/kustomization.yaml`)) as { patches: { patch: string }[] };
      const added = patches
        .flatMap(({ patch }) => parse(patch) as { path: string; value: { name: string; value?: string } }[])
        .flatMap(({ path, value }) => (path.endsWith('/env/-') ? [value] : []));
      const env = [...podOf(part).containers[0].env, ...added].filter(({ name }) => name !== 'OPENAI_API_KEY_FILE');
      const values = Object.fromEntries(
        env.map(({ name, value = '' }) => [name, value.replace('$(POD_IP)', '10.0.0.7')]),
      );
      const folder = await mkdtemp(join(tmpdir(), 'copilot-test-'));
      const keys = join(folder, 'keys');
      await writeFile(keys, `a:${Buffer.alloc(32).toString('base64')}\n`);
      const config = loadConfig({ ...settings, ...values, COPILOT_ENCRYPTION_KEYS_FILE: keys });
      await rm(folder, { recursive: true });
      assert.match(values['COPILOT_ENCRYPTION_KEYS_FILE'] ?? '', /^\/run\/secrets\/encryption\//);
      assert.deepEqual([config.encryptionKeys.map(({ id }) => id), config.directText], [['a'], undefined]);
    });
  }

  it('a team that is mounted from a ConfigMap is read, with the links that such a volume has', async () => {
    const agents = await mkdtemp(join(tmpdir(), 'copilot-test-'));
    const [source, team] = [join(packageDir, FOLDER, 'teams/example'), join(agents, 'example')];
    try {
      await mkdir(join(team, '..2026_11_27'), { recursive: true });
      await symlink('..2026_11_27', join(team, '..data'));
      for (const file of await readdir(source)) {
        await writeFile(join(team, '..2026_11_27', file), await readFile(join(source, file)));
        await symlink(join('..data', file), join(team, file));
      }
      const { definition } = await loadTeam(agents, 'example', withOwnTools());
      assert.deepEqual(Object.keys(definition.agents), ['planner', 'writer']);
    } finally {
      await rm(agents, { recursive: true });
    }
  });

  it('names files that there are', async () => {
    const { resources, configMapGenerator } = parse(read(`${FOLDER}/kustomization.yaml`)) as {
      resources: string[];
      configMapGenerator: { envs?: string[]; files?: string[] }[];
    };
    const files = [...resources, ...configMapGenerator.flatMap(({ envs = [], files = [] }) => [...envs, ...files])];
    for (const file of files) assert.notEqual(read(`${FOLDER}/${file}`), '');
    assert.ok(files.length > 5);
  });
});

describe('[O03] docker-compose.yml', () => {
  const Service = z.object({
    environment: z.array(z.string()),
    healthcheck: z.object({ test: z.array(z.string()) }),
    read_only: z.literal(true),
    tmpfs: z.tuple([z.literal('/tmp')]),
    cap_drop: z.tuple([z.literal('ALL')]),
    security_opt: z.array(z.literal('no-new-privileges:true')),
    deploy: z.object({ resources: z.object({ limits: z.object({ cpus: z.string(), memory: z.string() }) }) }),
    volumes: z.array(z.string()),
  });
  const { services } = parse(read('docker-compose.yml'), { merge: true }) as { services: Record<string, unknown> };

  for (const part of ['worker', 'gateway']) {
    it(`the ${part} gets every setting, is asked whether it is ready, and may change its volumes only`, () => {
      const { environment, healthcheck, volumes } = Service.parse(services[part]);
      const names = environment.map((entry) => entry.replace(/=.*/, ''));
      const elsewhere = [...PLACES, ...OF_REPLICA, 'COPILOT_CODE_RUNNER'];
      for (const name of [...VARIABLES, ...OF_S3]) assert.ok(names.includes(name) || elsewhere.includes(name), name);
      assert.match(healthcheck.test.join(' '), /127\.0\.0\.1:9464\/readyz/);
      assert.ok(environment.includes('COPILOT_METRICS_PORT=9464'));
      assert.ok(volumes.includes('home:/home/node/.copilot'));
    });
  }

  it('mounts the teams of the caller', () => {
    const { environment, volumes } = Service.parse(services['worker']);
    assert.ok(volumes.includes('${COPILOT_TEAMS:-./agents}:/teams:ro'));
    assert.ok(environment.includes('COPILOT_AGENTS_DIR=/teams'));
  });

  it('takes keys from files with deploy/compose.secrets.yml', () => {
    const overlay = parse(read('deploy/compose.secrets.yml')) as {
      services: { worker: { environment: string[]; secrets: string[] } };
      secrets: Record<string, { file: string }>;
    };
    const { environment, secrets } = overlay.services.worker;
    assert.deepEqual(
      environment,
      secrets.map((name) => `OPENAI_API_KEY_FILE=/run/secrets/${name}`),
    );
    for (const name of secrets) assert.ok(overlay.secrets[name]?.file.endsWith(`/${name}`));
  });
});

if (isFull) {
  describe('[O03] deploy/', function () {
    this.timeout(30 * 60_000);

    it('is right for kustomize, for the schemas of Kubernetes and for Docker Compose if it is here, and the image has less than 400 MB', async () => {
      const options = { cwd: packageDir };
      const checked = await promisify(execFile)('npm', ['run', 'check:deploy'], options);
      assert.match(checked.stdout, /deploy\/kubernetes: right for Kubernetes/);
      const { stdout } = await promisify(execFile)('npm', ['run', 'check:image'], options);
      assert.match(stdout, /MB {2}in all; at most 400$/m);
    });
  });
}
